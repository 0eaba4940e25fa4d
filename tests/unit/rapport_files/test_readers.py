"""Formats beside CSV: JSON Lines, and Excel's own workbooks."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapport_contracts.source import PaymentSettled
from rapport_files.options import BadAnswer, Options
from rapport_files.problems import Problem
from rapport_files.readers import workbook as reader
from rapport_files.readers import workbook_size
from rapport_files.understanding import Understanding, understand
from tests.unit.rapport_files.saved_files import (
    HEADER,
    ORIGIN,
    clients,
    events,
    look,
    problems,
    read,
)
from tests.unit.rapport_files.workbooks import Rows, workbook

COLUMNS = HEADER.strip().split(",")
VISIT = ["wren", datetime(2026, 3, 2, 14, 30, tzinfo=UTC), "已完成", "b1", None, None, None]
PAID = ["wren", datetime(2026, 3, 2, tzinfo=UTC), "已付款", "p1", 1200.5, "CNY", None]


class TestJsonLines:
    """An object a line."""

    def test_the_keys_are_the_columns(self, tmp_path: Path) -> None:
        rows = [
            {"client_id": "wren", "happened_at": "2026-03-02", "event": "completed", "id": "b1"},
            {"客户": "x", "amount": 49.90, "client_id": 13800138000.0, "event": "settled", "id": 17}
            | {"happened_at": "2026-03-02", "currency": None, "note": {"of": ["a", "friend"]}},
        ]
        data = read(tmp_path, "\n".join(map(json.dumps, rows)))
        assert clients(data) == ["13800138000.0", "wren"]
        payment = events(data)[1]
        assert isinstance(payment, PaymentSettled)
        assert (payment.data.payment_id, payment.data.amount_minor) == ("17", 4990)

    def test_the_dot_of_a_number_is_in_no_doubt_but_that_of_a_text_is(self, tmp_path: Path) -> None:
        row = '{"client_id": "wren", "happened_at": "2026-03-02", "event": "settled", "id": "p1",'
        paid = read(tmp_path, f'{row} "amount": 49.900}}').preview.money
        assert paid == {"payment.settled": 4990}
        (problem,) = problems(tmp_path, f'{row} "amount": "49.900"}}')
        assert "a dot that may mean thousands" in str(problem)

    @pytest.mark.parametrize("name", ["client_id", "event", "id", "counsellor_id", "event_id"])
    def test_half_of_a_character_is_refused_by_line(self, tmp_path: Path, name: str) -> None:
        row = {"client_id": "wren", "happened_at": "2026-03-02", "event": "completed", "id": "b1"}
        (problem,) = problems(tmp_path, json.dumps(row | {name: "a\ud800"}))
        assert (problem.column, "half of a character" in str(problem)) == (name, True)

    def test_numbers_keep_all_their_digits(self, tmp_path: Path) -> None:
        row = (
            '{"client_id": 202601010000123456789, "happened_at": "2026-03-02",'
            ' "event": "completed", "id": 1e3}'
        )
        assert clients(read(tmp_path, row)) == ["202601010000123456789"]

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("{", "is not a JSON object"),
            ('["wren"]', "is not a JSON object"),
            ('{"id": 1, "id": 2}', "whose keys all differ"),
            ("[" * 100_000, "is not a JSON object"),
            (
                '{"client_id": ["wren"], "happened_at": "2026-03-02", "event": "failed", "id": 1}',
                "a list",
            ),
        ],
    )
    def test_a_line_that_is_no_row_is_refused_and_the_others_are_read(
        self, tmp_path: Path, line: str, told: str
    ) -> None:
        good = (
            '{"client_id": "wren", "happened_at": "2026-03-02", "event": "completed", "id": "b1"}'
        )
        text = f"{good}\n{line}\n\n{good}\n"
        (problem,) = problems(tmp_path, text)
        assert (problem.line, told in str(problem)) == (2, True)
        assert len(events(look(tmp_path, text))) == 2

    def test_a_file_that_breaks_off_within_a_line_is_not_taken(self, tmp_path: Path) -> None:
        good = (
            '{"client_id": "wren", "happened_at": "2026-03-02", "event": "completed", "id": "b1"}'
        )
        assert look(tmp_path, f"{good}\n{good}").can_begin
        assert look(tmp_path, f"{good}\n{good[:-9]}\n").can_begin
        understood = look(tmp_path, f"{good}\n{good[:-9]}")
        assert not understood.can_begin
        assert "breaks off within a line" in "".join(understood.refusals.by())

    def test_a_line_without_an_end_is_refused(self, tmp_path: Path) -> None:
        good = (
            '{"client_id": "wren", "happened_at": "2026-03-02", "event": "completed", "id": "b1"}'
        )
        text = f'{good}\n{{"client_id": "{"x" * 2_000_000}"}}\n{good}\n'
        (problem,) = problems(tmp_path, text)
        assert (problem.line, "is longer than" in str(problem)) == (2, True)

    def test_objects_with_ever_new_keys_are_refused(self, tmp_path: Path) -> None:
        text = "\n".join(json.dumps({f"key-{number}": 1}) for number in range(1000))
        assert "more than 500 keys" in "".join(map(str, problems(tmp_path, text)))


class TestWorkbooks:
    """Excel's .xlsx."""

    def look(self, folder: Path, sheets: dict[str, Rows], **answers: str) -> Understanding:
        file = workbook(folder / "my.xlsx", sheets)
        return understand(file, ORIGIN, Options(answers=answers))

    def test_cells_are_read_as_they_are_shown(self, tmp_path: Path) -> None:
        data = self.look(tmp_path, {"Sheet1": [["静港"], [], COLUMNS, VISIT, PAID]})
        assert list(data.refusals.by()) == []
        visit, paid = events(data)
        assert visit.time.astimezone(UTC) == datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
        assert paid.time.astimezone(UTC) == datetime(2026, 3, 2, 2, tzinfo=UTC)
        assert isinstance(paid, PaymentSettled)
        assert paid.data.amount_minor == 120050

    @pytest.mark.parametrize(
        ("value", "client"),
        [(13800138000, "13800138000"), (7.0, "7"), (1.5, "1.5"), (" 007 ", "007")],
    )
    def test_a_number_is_an_id_as_it_is_shown(
        self, tmp_path: Path, value: object, client: str
    ) -> None:
        data = self.look(tmp_path, {"a": [COLUMNS, [value, *VISIT[1:]]]})
        assert clients(data) == [client]

    def test_an_amount_has_the_digits_of_a_spreadsheet(self, tmp_path: Path) -> None:
        data = self.look(tmp_path, {"a": [COLUMNS, [*PAID[:4], 0.1 + 0.2, "CNY"]]})
        assert data.preview.money == {"payment.settled": 30}

    @pytest.mark.parametrize(
        ("place", "value", "told"),
        [
            (0, 2.0260101000012346e17, "what a spreadsheet makes of a long number"),
            (0, ValueError("#REF!"), "is an error of a spreadsheet"),
            (3, ValueError("#N/A"), "is an error of a spreadsheet"),
            (1, 46082.38, "a spreadsheet's number of a day"),
        ],
    )
    def test_what_is_damaged_is_refused_by_line(
        self, tmp_path: Path, place: int, value: object, told: str
    ) -> None:
        damaged = [*VISIT]
        damaged[place] = value
        data = self.look(tmp_path, {"a": [[], [None, *COLUMNS], [None, *VISIT], [None, *damaged]]})
        (problem,) = data.refusals.by()
        assert problem.startswith(f"line 4, {COLUMNS[place]}: ")
        assert told in problem
        assert len(events(data)) == 1

    def test_a_summary_beside_its_rows_is_passed_over(self, tmp_path: Path) -> None:
        summary = [["客户", "金额"], ["wren", 1200.5]]
        data = self.look(tmp_path, {"汇总": summary, "流水": [COLUMNS, PAID]})
        assert data.can_begin
        assert "sheet 2 of 2 is read" in data.preview.by()

    def test_two_sheets_that_are_tables_are_a_question(self, tmp_path: Path) -> None:
        sheets: dict[str, Rows] = {"三月": [COLUMNS, PAID], "四月": [COLUMNS, VISIT, VISIT]}
        data = self.look(tmp_path, sheets)
        (question,) = data.questions
        assert (question.key, list(question.choices)) == ("sheet", ["1", "2"])
        assert len(events(self.look(tmp_path, sheets, sheet="2"))) == 2
        with pytest.raises(BadAnswer):
            self.look(tmp_path, sheets, sheet="3")

    def test_what_unpacks_to_too_much_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader, "MOST_UNPACKED", 1000)
        data = self.look(tmp_path, {"a": [COLUMNS, PAID]})
        assert "unpacked" in "".join(data.refusals.by())
        assert not data.can_begin

    def test_a_sheet_full_of_errors_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader, "MOST_ERRORS", 2)
        rows = [COLUMNS, *[[ValueError("#REF!")]] * 3]
        assert "full of errors" in "".join(self.look(tmp_path, {"a": rows}).refusals.by())

    def test_errors_are_found_across_pieces(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(workbook_size, "_CHUNK", 7)
        rows = [COLUMNS, *[[ValueError("#REF!"), *VISIT[1:]]] * 5]
        assert self.look(tmp_path, {"a": rows}).preview.refused == 5

    def test_another_zip_file_is_no_workbook(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "my.xlsx", "w") as file:
            file.writestr("word/document.xml", "<x/>")
        found: list[Problem] = []
        understand(tmp_path / "my.xlsx", ORIGIN, Options(), found.append)
        assert "no workbook of the kind .xlsx" in str(found[0])
