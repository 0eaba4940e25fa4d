"""Instants, amounts and ids as spreadsheets save them: read without doubt, or told the way out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.rapport_files.saved_files import (
    HEADER,
    ORIGIN_ZONE,
    clients,
    events,
    happened,
    payment,
    problems,
    read,
    settled,
    the_problem,
)


class TestInstants:
    """Dates and times of a cell."""

    @pytest.mark.parametrize(
        "text",
        [
            *("2026/3/1 9:10", "2026-3-1 9:10", "2026.03.01 09:10", "2026/03/01  09:10:00"),
            *(
                "2026年3月1日 9:10",
                "2026年3月1日9:10",
                "２０２６／３／１　９：１０",
                "20260301 09:10",
            ),
            *("2026/3/1 上午9:10", "2026/3/1 9:10 AM", "2026-03-01T09:10+08:00"),
            *("2026-03-01T01:10Z", "2026-03-01T01:10:00.000Z"),
        ],
    )
    def test_are_read_as_a_person_would(self, tmp_path: Path, text: str) -> None:
        assert happened(tmp_path, text) == datetime(2026, 3, 1, 1, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("text", "hour"), [("上午12:10", 0), ("下午12:10", 12), ("下午 2:10", 14), ("2:10pm", 14)]
    )
    def test_the_half_of_the_day_counts(self, tmp_path: Path, text: str, hour: int) -> None:
        local = happened(tmp_path, f"2026-03-02 {text}").astimezone(ORIGIN_ZONE)
        assert (local.day, local.hour, local.minute) == (2, hour, 10)

    @pytest.mark.parametrize("text", ["2026/3/1", "2026-3-1", "2026年3月1日", "20260301"])
    def test_a_day_without_a_time_is_at_ten(self, tmp_path: Path, text: str) -> None:
        assert happened(tmp_path, text) == datetime(2026, 3, 1, 2, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("01.03.26", "a year of two digits"),
            ("25/3/26", "a year of two digits"),
            ("46082.38", "a spreadsheet's number of a day"),
            ("46082", "a spreadsheet's number of a day"),
            ("2026-02-30", "is not a date"),
            ("2026-03-01 25:10", "is not a date"),
            ("2026-03-01 下午14:10", "is not a date"),
            ("2026-03/01", "is not a date"),
            ("1772331000", "is not a date"),
            ("0001-01-01", "must be from 1970-01-02"),
            ("0001-01-01T00:00+14:00", "must be from 1970-01-02"),
            ("9999-12-31 23:59:59-14:00", "before 2199-12-30"),
            ("########", "where a column is too narrow"),
        ],
    )
    def test_what_is_in_doubt_is_refused_with_the_way_out(
        self, tmp_path: Path, text: str, told: str
    ) -> None:
        problem = the_problem(tmp_path, HEADER + f"wren,{text},completed,b1,,,\n")
        assert (problem.column, told in str(problem)) == ("happened_at", True)


class TestAmounts:
    """Money of a cell, in minor units."""

    @pytest.mark.parametrize(
        ("amount", "minor"),
        [
            *(("¥1,200.00", 120000), ("￥1,200", 120000), ("4,800.00", 480000), ("300元", 30000)),
            *(("1,234,567.8", 123456780), ("３００", 30000), ("300.00 元", 30000), ("0", 0)),
            *(
                ("RMB 300", 30000),
                ("CNY300", 30000),
                ("0.900", 90),
                ("1,200.500", 120050),
                ("007", 700),
            ),
        ],
    )
    def test_are_read_as_a_person_would(self, tmp_path: Path, amount: str, minor: int) -> None:
        assert settled(tmp_path, amount) == minor

    @pytest.mark.parametrize(
        ("amount", "currency", "separator", "told"),
        [
            ("1,50", "CNY", ",", "is not a number"),
            ("1_000", "CNY", ",", "is not a number"),
            ("1E+3", "CNY", ",", "is not a number"),
            ("٣٠٠", "CNY", ",", "is not a number"),
            ("3²", "CNY", ",", "is not a number"),
            ("#N/A", "CNY", ",", "is an error of a spreadsheet"),
            ("####", "CNY", ",", "where a column is too narrow"),
            ("12,00.00", "CNY", ",", "is not a number"),
            ("1,200", "CNY", ";", "thousands or decimals"),
            ("1,200", "KWD", ",", "thousands or decimals"),
            ("500.000", "VND", ",", "a dot that may mean thousands or decimals"),
            ("1.200", "EUR", ";", "a dot that may mean thousands or decimals"),
            ("49.900元", "CNY", ",", "a dot that may mean thousands or decimals"),
            ("$300", "CNY", ",", "another sign"),
            ("300元", "USD", ",", "another sign"),
            ("0.005", "CNY", ",", "more than 2 decimals"),
            ("300.5", "JPY", ",", "more than 0 decimals"),
            ("-80.00", "CNY", ",", "a refund is a positive amount"),
            ("\u221280.00", "CNY", ",", "a refund is a positive amount"),
            ("(80.00)", "CNY", ",", "a refund is a positive amount"),
            ("80.00-", "CNY", ",", "a refund is a positive amount"),
            *((each, "CNY", ",", "is not a number") for each in ("1)300", "300)", "(300", "3-00")),
            ("¥-80.00", "CNY", ",", "a refund is a positive amount"),
            ("9" * 5000, "CNY", ",", "must be from 0 to 100000000000.00 CNY"),
        ],
    )
    def test_what_is_in_doubt_is_refused_with_the_way_out(
        self, tmp_path: Path, amount: str, currency: str, separator: str, told: str
    ) -> None:
        problem = the_problem(tmp_path, payment(amount, currency, separator))
        assert (problem.column, told in str(problem)) == ("amount", True)

    @pytest.mark.parametrize(("amount", "minor"), [("1.200", 1200), ("500.000", 500_000)])
    def test_a_currency_of_three_decimals_has_them_behind_the_dot(
        self, tmp_path: Path, amount: str, minor: int
    ) -> None:
        assert settled(tmp_path, amount, "KWD") == minor

    @pytest.mark.parametrize("currency", ["RMB", "rmb", "人民币", "CNH"])
    def test_other_names_of_the_yuan_are_told_its_code(self, tmp_path: Path, currency: str) -> None:
        problem = the_problem(tmp_path, payment("300", currency))
        assert str(problem) == "line 2, currency: is no currency code of ISO 4217: write CNY"

    def test_a_code_in_small_letters_is_the_code(self, tmp_path: Path) -> None:
        assert settled(tmp_path, "300", "cny") == 30000

    def test_only_a_payments_line_tells_the_currency(self, tmp_path: Path) -> None:
        text = HEADER + "wren,2026-03-01,completed,b1,,-,\nwren,2026-03-02,settled,p1,9,EUR,\n"
        assert read(tmp_path, text).preview.currency == "EUR"


class TestIds:
    """Ids are taken as they are, or refused where a spreadsheet has spoilt them."""

    @pytest.mark.parametrize("column", ["client_id", "id"])
    @pytest.mark.parametrize(
        "spoilt",
        [
            *("1.38001E+10", "1.38001e+10", "2.02601E15", "1E+10", "1,38001E+10", "１.38E+10"),
            *("#N/A", "#REF!", "#NAME?", "####", "NULL", "null", "None", "nan"),
            *("n/a", "-", "无"),
        ],
    )
    def test_what_a_spreadsheet_makes_of_an_id_is_refused_by_line(
        self, tmp_path: Path, column: str, spoilt: str
    ) -> None:
        row = {"client_id": "wren", "id": "b1", column: spoilt}
        cell = f'"{row["client_id"]}",2026-03-02,completed,"{row["id"]}",,,\n'
        problem = the_problem(tmp_path, HEADER + cell)
        assert (problem.line, problem.column) == (2, column)

    @pytest.mark.parametrize("name", ["event_id", "counsellor_id", "service_code", "site"])
    @pytest.mark.parametrize("spoilt", ["4.2E+15", "NULL"])
    def test_the_same_holds_for_ids_of_events_and_for_codes(
        self, tmp_path: Path, name: str, spoilt: str
    ) -> None:
        header = f"client_id,happened_at,event,id,{name}\n"
        problem = the_problem(tmp_path, header + f"wren,2026-03-02,completed,b1,{spoilt}\n")
        assert (problem.line, problem.column) == (2, name)

    def test_long_ids_that_have_lost_their_ends_are_refused_by_line(self, tmp_path: Path) -> None:
        ids = ("202601010000123000", "202601010000124000", "b-7")
        rows = [f"wren,2026-03-02,completed,{each},,,\n" for each in ids]
        found = problems(tmp_path, HEADER + "".join(rows))
        assert [(each.line, each.column) for each in found] == [(2, "id"), (3, "id")]

    def test_of_ids_with_one_digit_too_many_three_with_a_zero_there_are_cut(
        self, tmp_path: Path
    ) -> None:
        rows = [f"wren,2026-03-02,completed,202601010000{n}10,,,\n" for n in (11, 23, 37)]
        assert [each.line for each in problems(tmp_path, HEADER + "".join(rows))] == [2, 3, 4]
        other = "wren,2026-03-02,completed,2026010100001234,,,\n"
        assert len(events(read(tmp_path, HEADER + "".join([*rows, other])))) == 4

    def test_ids_that_lost_the_zeros_before_them_are_refused_by_line(self, tmp_path: Path) -> None:
        rows = [f"{each},2026-03-02,completed,b1,,,\n" for each in ("0017", "42", "0003", "10042")]
        (problem,) = problems(tmp_path, HEADER + "".join(rows))
        assert (problem.line, problem.column) == (3, "client_id")
        assert "lost the zeros before it" in str(problem)

    def test_ids_of_payments_say_nothing_of_those_of_bookings(self, tmp_path: Path) -> None:
        rows = "wren,2026-03-02,completed,0017,,,\nwren,2026-03-02,settled,42,9,,\n"
        assert len(events(read(tmp_path, HEADER + rows))) == 2

    def test_ids_with_zeros_of_any_width_have_lost_none(self, tmp_path: Path) -> None:
        rows = [f"{each},2026-03-02,completed,b1,,,\n" for each in ("017", "0042", "7")]
        assert len(events(read(tmp_path, HEADER + "".join(rows)))) == 3

    @pytest.mark.parametrize(
        "good",
        [
            *(
                "13800138000.0",
                "C 011",
                "a@b.example",
                "王某一",
                "007",
                "13800138000",
                "12E3",
                "E1",
                "#17",
                "1.5",
            ),
            *("2026010100001230", "202601010000123456", "None-1", "null-7", "-7"),
        ],
    )
    def test_other_ids_stay_as_they_are(self, tmp_path: Path, good: str) -> None:
        data = read(tmp_path, HEADER + f"{good},2026-03-02,completed,b1,,,\n")
        assert clients(data) == [good]

    def test_a_text_as_a_formula_is_the_text(self, tmp_path: Path) -> None:
        data = read(tmp_path, HEADER + '="007",2026-03-02,completed,b1,,,\n')
        assert clients(data) == ["007"]
