"""A practice's file as spreadsheets save it: read without doubt, or told the way out."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rapport_contracts.source import BookingCreated, PaymentRefunded, PaymentSettled, SourceEvent
from rapport_devkit.sources.csv_file import read_csv
from rapport_devkit.sources.csv_problems import BadFile, Problem, summary
from rapport_devkit.sources.dataset import Dataset, Origin
from rapport_devkit.words import words_of
from tests.support.places import REPOSITORY

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="test")
ORIGIN_ZONE = ZoneInfo(ORIGIN.zone)
HEADER = "client_id,happened_at,event,id,amount,currency,starts_at\n"
GOOD = (
    HEADER
    + "王某一,2026-03-01 09:10,booked,b1,,,2026-03-02 18:00\n"
    + "王某一,2026-03-02 19:05,settled,p1,1200.00,CNY,\n"
)


def read(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Dataset:
    file = folder / "my.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_csv(file, ORIGIN)


def events(dataset: Dataset) -> list[SourceEvent]:
    return [event for day in dataset.days.values() for event in day]


def problems(folder: Path, content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(BadFile) as caught:
        read(folder, content)
    return caught.value.problems


def the_problem(folder: Path, content: str | bytes) -> Problem:
    (problem,) = problems(folder, content)
    return problem


def settled(folder: Path, amount: str, currency: str = "CNY", separator: str = ",") -> int:
    """The minor units of a payment of this amount. Raises BadFile."""
    cells = ["wren", "2026-03-02", "settled", "p1", f'"{amount}"', currency, ""]
    rows = [HEADER.strip().split(","), cells]
    text = "".join(separator.join(row) + "\n" for row in rows)
    (event,) = events(read(folder, text))
    assert isinstance(event, PaymentSettled)
    return event.data.amount_minor


def happened(folder: Path, text: str) -> datetime:
    """When a booking of this `happened_at` happened. Raises BadFile."""
    (event,) = events(read(folder, HEADER + f"wren,{text},completed,b1,,,\n"))
    return event.time.astimezone(UTC)


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
            ("1/3/2026 9:10", "the day or the month first"),
            ("01.03.26", "the day or the month first"),
            ("46082.38", "a spreadsheet's number of a day"),
            ("46082", "a spreadsheet's number of a day"),
            ("2026-02-30", "is not a date"),
            ("2026-03-01 25:10", "is not a date"),
            ("2026-03-01 下午14:10", "is not a date"),
            ("2026-03/01", "is not a date"),
            ("1772331000", "is not a date"),
            ("########", "is not a date"),
        ],
    )
    def test_what_is_in_doubt_is_refused_with_the_way_out(
        self, tmp_path: Path, text: str, told: str
    ) -> None:
        problem = the_problem(tmp_path, HEADER + f"wren,{text},completed,b1,,,\n")
        assert (problem.column, told in problem.reason) == ("happened_at", True)


class TestAmounts:
    """Money of a cell, in minor units."""

    @pytest.mark.parametrize(
        ("amount", "minor"),
        [
            *(("¥1,200.00", 120000), ("￥1,200", 120000), ("4,800.00", 480000), ("300元", 30000)),
            *(("1,234,567.8", 123456780), ("３００", 30000), ("300.00 元", 30000), ("0", 0)),
            *(("RMB 300", 30000), ("CNY300", 30000), ("49.900", 4990), ("007", 700)),
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
            ("#N/A", "CNY", ",", "is not a number"),
            ("12,00.00", "CNY", ",", "is not a number"),
            ("1,200", "CNY", ";", "thousands or decimals"),
            ("1,200", "KWD", ",", "thousands or decimals"),
            ("$300", "CNY", ",", "another sign"),
            ("300元", "USD", ",", "another sign"),
            ("1.005", "CNY", ",", "more than 2 decimals"),
            ("300.5", "JPY", ",", "more than 0 decimals"),
            ("-80.00", "CNY", ",", "a refund is a positive amount"),
            ("\u221280.00", "CNY", ",", "a refund is a positive amount"),
            ("(80.00)", "CNY", ",", "a refund is a positive amount"),
            ("¥-80.00", "CNY", ",", "a refund is a positive amount"),
            ("9" * 5000, "CNY", ",", "must be from 0 to 100000000000.00 CNY"),
        ],
    )
    def test_what_is_in_doubt_is_refused_with_the_way_out(
        self, tmp_path: Path, amount: str, currency: str, separator: str, told: str
    ) -> None:
        with pytest.raises(BadFile) as caught:
            settled(tmp_path, amount, currency, separator)
        (problem,) = caught.value.problems
        assert (problem.column, told in problem.reason) == ("amount", True)

    @pytest.mark.parametrize("currency", ["RMB", "rmb", "人民币", "CNH"])
    def test_other_names_of_the_yuan_are_told_its_code(self, tmp_path: Path, currency: str) -> None:
        with pytest.raises(BadFile) as caught:
            settled(tmp_path, "300", currency)
        assert "line 2, currency: is no currency code of ISO 4217: write CNY" in str(caught.value)

    def test_a_code_in_small_letters_is_the_code(self, tmp_path: Path) -> None:
        assert settled(tmp_path, "300", "cny") == 30000

    def test_only_a_payments_line_tells_the_currency(self, tmp_path: Path) -> None:
        text = HEADER + "wren,2026-03-01,completed,b1,,-,\nwren,2026-03-02,settled,p1,9,EUR,\n"
        assert read(tmp_path, text).currency == "EUR"


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
        assert data.clients() == [good]

    def test_a_text_as_a_formula_is_the_text(self, tmp_path: Path) -> None:
        data = read(tmp_path, HEADER + '="007",2026-03-02,completed,b1,,,\n')
        assert data.clients() == ["007"]


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
