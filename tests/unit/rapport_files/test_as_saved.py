"""A practice's file as spreadsheets save it: read without doubt, or told the way out."""

from pathlib import Path

import pytest

from rapport_contracts.source import BookingCreated, PaymentRefunded
from rapport_files.options import Options
from rapport_files.problems import Problem, Refusals
from rapport_files.said import said, translations
from rapport_files.understanding import understand
from tests.support.places import REPOSITORY
from tests.unit.rapport_files.saved_files import (
    GOOD,
    HEADER,
    ORIGIN,
    clients,
    events,
    look,
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
        assert clients(data) == ["王某一"]
        assert [note in told for told in map(str, data.preview.notes)] == [True] * (
            note is not None
        )

    def test_rare_characters_of_names_are_read_too(self, tmp_path: Path) -> None:
        data = read(tmp_path, GOOD.replace("王某一", "张喆堃"), "gb18030")
        assert clients(data) == ["张喆堃"]

    @pytest.mark.parametrize(
        ("name", "encoding"),
        [("Müller", "cp1252"), ("Renée", "cp1252"), ("王小明", "big5"), ("Zoë", "cp1252")],
    )
    def test_another_encoding_is_refused_with_the_way_to_save_it(
        self, tmp_path: Path, name: str, encoding: str
    ) -> None:
        problem = the_problem(tmp_path, GOOD.replace("王某一", name).encode(encoding))
        assert (problem.line, problem.column) == (2, "-")
        assert "is not UTF-8" in str(problem.reason)
        assert "CSV UTF-8 (comma delimited)" in str(problem.way_out)

    @pytest.mark.parametrize("separator", [";", "\t", "，", "|"])
    def test_is_read_with_another_separator(self, tmp_path: Path, separator: str) -> None:
        data = read(tmp_path, GOOD.replace(",", separator))
        assert len(events(data)) == 2
        assert len(data.preview.notes) == 1

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
        assert (len(events(data)), data.preview.currency) == (2, "CNY")

    def test_our_own_word_goes_before_others_that_mean_the_same(self, tmp_path: Path) -> None:
        text = GOOD.replace("\n", ",x\n").replace("starts_at,x", "starts_at,status")
        assert len(events(read(tmp_path, text))) == 2

    def test_two_columns_that_may_be_the_same_are_told(self, tmp_path: Path) -> None:
        text = GOOD.replace("happened_at", "日期").replace("starts_at\n", "starts_at,时间\n")
        (question,) = look(tmp_path, text).questions
        assert (question.key, list(question.choices)) == ("column.happened_at", ["日期", "时间"])
        answer = {"column.happened_at": "日期"}
        assert len(events(read(tmp_path, text, "utf-8", **answer))) == 2

    def test_a_title_above_the_header_is_passed_over(self, tmp_path: Path) -> None:
        data = read(tmp_path, "静港 2026 年流水\n,,\n" + GOOD)
        assert len(events(data)) == 2
        assert "the header is line 3" in map(str, data.preview.notes)

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
        assert "there are: happened_at, event" in str(found[0].reason)
        assert "姓名" not in "".join(map(str, found))

    def test_a_column_that_only_payments_need_is_told_once(self, tmp_path: Path) -> None:
        text = "client_id,happened_at,event,id\n" + "wren,2026-03-02,settled,p1\n" * 3
        problem = the_problem(tmp_path, text)
        assert (problem.line, problem.column) == (1, "amount")

    def test_a_comma_without_quotes_is_no_end_of_a_cell(self, tmp_path: Path) -> None:
        text = "client_id,happened_at,event,id,amount\nwren,2026-03-02,settled,p1,1,200.00\n"
        problem = the_problem(tmp_path, text)
        assert (problem.line, "needs quotes" in str(problem.way_out)) == (2, True)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is empty"),
            (b"\r\n \r\n", "is empty"),
            (b"PK\x03\x04 and so on", "is no workbook of the kind .xlsx"),
            (b"\xd0\xcf\x11\xe0 and so on", "is a workbook of an old kind"),
        ],
    )
    def test_what_is_no_table_is_told(self, tmp_path: Path, content: bytes, told: str) -> None:
        assert told in str(the_problem(tmp_path, content).reason)


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
        + "Müller;1/3/26;completed;\n"
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
    refusals = Refusals()
    for line in range(2, 1002):
        refusals.add(Problem(line, "happened_at", said("is not a date"), said("write one")))
    refusals.add(Problem(1002, "id", said("is empty"), said("fill it in")))
    assert list(refusals.by()) == [
        "lines 2, 3, 4, 5, 6, 7, 8, 9 and 992 more, happened_at: is not a date: write one",
        "line 1002, id: is empty: fill it in",
    ]


def test_the_problems_are_told_in_the_owners_language(tmp_path: Path) -> None:
    text = HEADER + "wren,soon,completed,b1,,,\nwren,,completed,b1,,,\n"
    refusals = look(tmp_path, text).refusals
    assert list(refusals.by(chinese)) == [
        "第 2 行, happened_at: 不是日期：请写成 2026-03-01 14:30 的样子",
        "第 3 行, happened_at: 为空：请填写",
    ]


def chinese(text: str, **values: object) -> str:
    return translations("zh")[text].format(**values)


@pytest.mark.parametrize("name", ["your-own-data.csv", "your-own-data.zh.csv"])
def test_the_files_to_fill_in_are_read(name: str) -> None:
    found = events(understand(REPOSITORY / "docs" / name, ORIGIN, Options()))
    assert len(found) == 7
    assert sum(isinstance(event, BookingCreated) for event in found) == 2
    assert [event.data.amount_minor for event in found if isinstance(event, PaymentRefunded)] == [
        8000
    ]
