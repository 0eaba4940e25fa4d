"""A practice's file as spreadsheets save it: read without doubt, or told the way out."""

from pathlib import Path

import pytest

from rapport_contracts.source import BookingCreated, PaymentRefunded
from rapport_devkit.sources.csv_file import read_csv
from rapport_devkit.sources.csv_problems import BadFile, Problem, summary
from rapport_devkit.words import words_of
from tests.support.places import REPOSITORY
from tests.unit.rapport_devkit.saved_files import (
    GOOD,
    HEADER,
    ORIGIN,
    events,
    problems,
    read,
    the_problem,
)


class TestTheFile:
    """Encodings, separators, headers."""

    @pytest.mark.parametrize(
        ("encoding", "note"),
        [
            ("utf-8-sig", None),
            ("gb18030", "GB18030"),
            ("utf-16", "UTF-16"),
            ("utf-16-le", "UTF-16"),
        ],
    )
    def test_is_read_in_the_encodings_of_chinese_spreadsheets(
        self, tmp_path: Path, encoding: str, note: str | None
    ) -> None:
        data = read(tmp_path, GOOD, encoding)
        assert data.clients() == ["王某一"]
        assert [note in told for told in data.notes] == [True] * (note is not None)

    def test_rare_characters_of_names_are_read_too(self, tmp_path: Path) -> None:
        data = read(tmp_path, GOOD.replace("王某一", "张喆堃"), "gb18030")
        assert data.clients() == ["张喆堃"]

    @pytest.mark.parametrize(
        ("name", "encoding"),
        [("Müller", "cp1252"), ("Renée", "cp1252"), ("王小明", "big5"), ("Zoë", "cp1252")],
    )
    def test_another_encoding_is_refused_with_the_way_to_save_it(
        self, tmp_path: Path, name: str, encoding: str
    ) -> None:
        problem = the_problem(tmp_path, GOOD.replace("王某一", name).encode(encoding))
        assert (problem.line, problem.column) == (2, "-")
        assert "is not UTF-8" in problem.reason
        assert "CSV UTF-8 (comma delimited)" in problem.reason

    @pytest.mark.parametrize("separator", [";", "\t", "，", "|"])
    def test_is_read_with_another_separator(self, tmp_path: Path, separator: str) -> None:
        data = read(tmp_path, GOOD.replace(",", separator))
        assert len(events(data)) == 2
        assert len(data.notes) == 1

    def test_a_line_that_names_the_separator_is_obeyed(self, tmp_path: Path) -> None:
        assert len(events(read(tmp_path, "sep=;\n" + GOOD.replace(",", ";")))) == 2

    @pytest.mark.parametrize(
        "header",
        [
            "Client_ID, Happened At,EVENT,Id,Amount,Currency,Starts-At\n",
            "客户编号,发生时间,事件,单号,金额（元）,币种,预约时间\n",
            "\ufeff客户编号,发生时间,事件类型,订单号,金额,币种,开始时间\n",
            '"client_id","happened_at","event","id","amount","currency","starts_at"\n',
        ],
    )
    def test_other_words_for_the_columns_are_known(self, tmp_path: Path, header: str) -> None:
        data = read(tmp_path, GOOD.replace(HEADER, header))
        assert (len(events(data)), data.currency) == (2, "CNY")

    def test_our_own_word_goes_before_others_that_mean_the_same(self, tmp_path: Path) -> None:
        text = GOOD.replace("\n", ",x\n").replace("starts_at,x", "starts_at,status")
        assert len(events(read(tmp_path, text))) == 2

    def test_two_columns_that_may_be_the_same_are_told(self, tmp_path: Path) -> None:
        text = GOOD.replace("happened_at", "日期").replace("starts_at\n", "starts_at,时间\n")
        problem = problems(tmp_path, text)[0]
        assert (problem.column, "日期, 时间" in problem.reason) == ("happened_at", True)

    def test_a_title_above_the_header_is_passed_over(self, tmp_path: Path) -> None:
        data = read(tmp_path, "静港 2026 年流水\n,,\n" + GOOD)
        assert [event.id for event in events(data)] == ["line-4", "line-5"]
        assert any("line 3" in note for note in data.notes)

    def test_rows_without_any_value_are_passed_over(self, tmp_path: Path) -> None:
        assert len(events(read(tmp_path, GOOD + ",,,,,,\n , ,,,,,\n\n"))) == 2

    def test_columns_without_a_header_are_passed_over(self, tmp_path: Path) -> None:
        assert len(events(read(tmp_path, GOOD.replace("\n", ",,\n")))) == 2

    def test_what_is_missing_is_told_beside_what_there_is(self, tmp_path: Path) -> None:
        found = problems(tmp_path, "姓名,happened_at,event\nwren,soon,completed\n")
        assert [(each.line, each.column) for each in found] == [
            (1, "client_id"),
            (1, "id"),
            (2, "happened_at"),
        ]
        assert "there are: 姓名, happened_at, event" in found[0].reason

    def test_a_column_that_only_payments_need_is_told_once(self, tmp_path: Path) -> None:
        text = "client_id,happened_at,event,id\n" + "wren,2026-03-02,settled,p1\n" * 3
        problem = the_problem(tmp_path, text)
        assert (problem.line, problem.column) == (1, "amount")

    def test_a_comma_without_quotes_is_no_end_of_a_cell(self, tmp_path: Path) -> None:
        text = "client_id,happened_at,event,id,amount\nwren,2026-03-02,settled,p1,1,200.00\n"
        problem = the_problem(tmp_path, text)
        assert (problem.line, "needs quotes" in problem.reason) == (2, True)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is empty"),
            (b"\r\n \r\n", "is empty"),
            (b"PK\x03\x04 and so on", "is a workbook"),
            (b"\xd0\xcf\x11\xe0 and so on", "is a workbook"),
        ],
    )
    def test_what_is_no_table_is_told(self, tmp_path: Path, content: bytes, told: str) -> None:
        assert told in the_problem(tmp_path, content).reason


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *(
            ("预约", "booking.created"),
            ("已完成", "booking.completed"),
            ("爽约", "booking.no_show"),
        ),
        *(
            ("已付款", "payment.settled"),
            ("退款", "payment.refunded"),
            ("Completed", "booking.completed"),
        ),
        *(
            ("No Show", "booking.no_show"),
            ("canceled", "booking.cancelled"),
            ("改期", "booking.rescheduled"),
        ),
    ],
)
def test_other_words_for_the_events_are_known(tmp_path: Path, word: str, kind: str) -> None:
    row = f"wren,2026-03-02,{word},b1,9,,2026-03-09\n"
    (event,) = events(read(tmp_path, HEADER + row))
    assert event.type == f"rapport.{kind}.v1"


def test_all_walls_are_told_at_once(tmp_path: Path) -> None:
    """Encoding, a missing column, dates, ids, events: nothing hides behind anything else."""
    text = (
        "client_id;happened_at;event;amount\n"
        + "Müller;1/3/2026;completed;\n"
        + "Renée;2026/3/1;came;\n"
        + "NULL;2026/3/1;settled;1,50\n"
    )
    found = problems(tmp_path, text.encode("cp1252"))
    assert [(each.line, each.column) for each in found] == [
        (1, "id"),
        (2, "-"),
        (2, "happened_at"),
        (3, "event"),
        (4, "client_id"),
        (4, "amount"),
    ]


def test_a_thousand_of_one_kind_hide_no_other() -> None:
    many = [Problem(line, "happened_at", "is not a date") for line in range(2, 1002)]
    assert list(summary([*many, Problem(1002, "id", "is empty")])) == [
        "lines 2, 3, 4, 5, 6, 7, 8, 9 and 992 more, happened_at: is not a date",
        "line 1002, id: is empty",
    ]


def test_the_problems_are_told_in_the_owners_language(tmp_path: Path) -> None:
    file = tmp_path / "my.csv"
    file.write_text(HEADER + "wren,soon,completed,b1,,,\nwren,,completed,b1,,,\n")
    words = words_of("zh")
    with pytest.raises(BadFile) as caught:
        read_csv(file, ORIGIN, words)
    assert list(summary(caught.value.problems, words)) == [
        "第 2 行, happened_at: 不是日期，例如 2026-03-01 14:30",
        "第 3 行, happened_at: 为空",
    ]


@pytest.mark.parametrize("name", ["your-own-data.csv", "your-own-data.zh.csv"])
def test_the_files_to_fill_in_are_read(name: str) -> None:
    data = read_csv(REPOSITORY / "docs" / name, ORIGIN)
    found = events(data)
    assert len(found) == 7
    assert sum(isinstance(event, BookingCreated) for event in found) == 2
    assert [event.data.amount_minor for event in found if isinstance(event, PaymentRefunded)] == [
        8000
    ]
