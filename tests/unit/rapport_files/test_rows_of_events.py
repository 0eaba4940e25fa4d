"""The rows of a file as events: each is what the row says, or is refused by line."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rapport_contracts.source import BookingCreated, PaymentRefunded, PaymentSettled
from tests.unit.rapport_files.saved_files import (
    GOOD,
    HEADER,
    events,
    look,
    problems,
    read,
    the_problem,
)


def test_every_kind_is_read(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        HEADER
        + "wren,2026-03-02 14:30,settled,p1,49.90,EUR,\n"
        + "heron,2026-03-01,booked,b1,,,2026-03-04T09:00+01:00\n"
        + "wren,2026-03-03T23:30:00Z,refunded,p1,9.9,EUR,\n"
        + "wren,2026-03-03,failed,p2,,,\n"
        + "wren,2026-03-03,cancelled,b2,,,\n",
    )
    settled, booked, refunded, failed, cancelled = events(data)
    assert isinstance(booked, BookingCreated)
    assert booked.subject == "heron"
    assert booked.time == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert booked.data.starts_at == datetime(2026, 3, 4, 8, tzinfo=UTC)
    assert isinstance(settled, PaymentSettled)
    assert settled.time == datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
    assert (settled.data.amount_minor, settled.data.currency) == (4990, "EUR")
    assert [failed.type, cancelled.type] == [
        "rapport.payment.failed.v1",
        "rapport.booking.cancelled.v1",
    ]
    assert isinstance(refunded, PaymentRefunded)
    assert refunded.data.amount_minor == 990


def test_what_was_understood_is_said_before_anything_is_taken(tmp_path: Path) -> None:
    text = GOOD + "heron,2026-03-09,refunded,p1,200,,\nheron,soon,booked,b2,,,2026-03-09\n"
    preview = look(tmp_path, text.replace("client_id", "客户编号")).preview
    assert (preview.rows, preview.refused, preview.waiting, preview.clients) == (4, 1, 0, 2)
    assert preview.kinds == {"booking.created": 1, "payment.settled": 1, "payment.refunded": 1}
    assert preview.money == {"payment.settled": 120000, "payment.refunded": 20000}
    assert (preview.first_on, preview.last_on) == (date(2026, 3, 1), date(2026, 3, 9))
    told = "\n".join(preview.by())
    for said in (
        "客户编号 = client_id",
        "1,200.00 CNY",
        "2 clients, from 2026-03-01 to 2026-03-09",
    ):
        assert said in told


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "4990", 4990), ("CLF", "1.2345", 12345)]
)
def test_the_decimals_of_every_currency_are_known(
    tmp_path: Path, currency: str, amount: str, minor: int
) -> None:
    (event,) = events(read(tmp_path, HEADER + f"wren,2026-03-02,settled,p1,{amount},{currency},\n"))
    assert isinstance(event, PaymentSettled)
    assert event.data.amount_minor == minor


@pytest.mark.parametrize(
    ("line", "column", "way_out"),
    [
        ("wren,2026-03-02,settled,p1,1,QQQ,", "currency", "such as CNY"),
        ("wren,2026-03-02,booked,b1,,,1900-01-01", "starts_at", "must be from 1970-01-02"),
        ("wren,1989-12-30,completed,b1,,,", "happened_at", "must be from 1990-01-01"),
        ("wren,2026-03-02,settled,p1,100000000000.01,CNY,", "amount", "100000000000.00 CNY"),
        ("wren,2026-03-02,settled,p1,10000000000001,JPY,", "amount", "10000000000000 JPY"),
        ("wren,2026-03-02,settled,p1,-0.01,CNY,", "amount", "from 0 to"),
        ("\u200b,2026-03-02,completed,b1,,,", "client_id", "a visible character"),
        ("wren,2026-03-02,completed,\u200b,,,", "id", "a visible character"),
    ],
)
def test_the_ranges_are_those_of_the_contracts(
    tmp_path: Path, line: str, column: str, way_out: str
) -> None:
    problem = the_problem(tmp_path, HEADER + line + "\n")
    assert (problem.column, way_out in str(problem)) == (column, True)


def test_every_bad_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    text = (
        HEADER
        + "wren,2026-03-02,settled,p1,49.90,EUR,\n"
        + ",2026-03-02,completed,b1,,,\n"
        + "wren,yesterday,completed,b1,,,\n"
        + "wren,2026-03-02,came,b1,,,\n"
        + 'wren,2026-03-02,settled,"p\n2","1,50",EUR,\n'
        + "wren,2026-03-02,settled,p3,1.005,EUR,\n"
        + "wren,2026-03-02,settled,p4,-1,EUR,\n"
        + "wren,2026-03-02,settled,p5,1,CNY,\n"
        + "wren,1970-03-02,completed,b2,,,\n"
        + "wren,2026-03-02,booked,b3,,,\n"
        + "wren,2026-03-02,settled,p6,1e999999999,EUR,\n"
        + "wren,2026-03-02,settled,p7,NaN,EUR,\n"
        + "wren,2026-03-02\n"
    )
    found = problems(tmp_path, text)
    assert [(problem.line, problem.column) for problem in found] == [
        (3, "client_id"),
        (4, "happened_at"),
        (5, "event"),
        (7, "amount"),
        (8, "amount"),
        (9, "amount"),
        (10, "currency"),
        (11, "happened_at"),
        (12, "starts_at"),
        (13, "amount"),
        (14, "amount"),
        (15, "event"),
        (15, "id"),
    ]
    assert "yesterday" not in "".join(map(str, found))
    understood = look(tmp_path, text)
    assert (understood.preview.refused, len(events(understood))) == (12, 1)


def test_an_empty_currency_in_a_file_of_another_currency_than_ones_own_is_refused(
    tmp_path: Path,
) -> None:
    rows = "wren,2026-03-02,settled,p1,9,{},\nwren,2026-03-02,settled,p2,9,,\n"
    problem = the_problem(tmp_path, HEADER + rows.format("EUR"))
    assert (problem.line, problem.column) == (3, "currency")
    assert len(events(read(tmp_path, HEADER + rows.format("CNY")))) == 2


def test_ids_of_bookings_and_payments_may_stand_in_two_columns(tmp_path: Path) -> None:
    text = (
        "client_id,happened_at,event,booking_id,payment_id,amount\n"
        "wren,2026-03-02,completed,b1,,\nwren,2026-03-02,settled,,p1,9\n"
    )
    booking, payment = events(read(tmp_path, text))
    assert (booking.data.booking_id, payment.data.payment_id) == ("b1", "p1")  # type: ignore[union-attr]


UNREAD = {
    "completed": ("amount", "currency", "starts_at", "created_at", "updated_at"),
    "booked": ("amount", "currency", "created_at", "updated_at"),
    "refunded": ("starts_at", "counsellor_id", "service_code", "created_at", "updated_at"),
    "failed": ("amount", "currency", "starts_at", "site", "created_at", "updated_at"),
}


@pytest.mark.parametrize(
    ("event", "name"), [(event, name) for event, names in UNREAD.items() for name in names]
)
def test_a_cell_that_an_event_does_not_read_is_no_part_of_its_id(
    tmp_path: Path, event: str, name: str
) -> None:
    """A new export with such a cell touched tells the same event."""
    row = {"client_id": "wren", "happened_at": "2026-03-02", "event": event, "id": "x1"}
    row |= {"amount": "9"} if event == "refunded" else {}
    row |= {"starts_at": "2026-03-09"} if event == "booked" else {}
    told = [
        [each.id for each in events(read(tmp_path, "".join(map(_line, (full, full.values())))))]
        for full in (row, row | {name: "1"}, row | {name: "2"})
    ]
    assert told[0] == told[1] == told[2]


def _line(cells: Iterable[str]) -> str:
    return ",".join(cells) + "\n"


@pytest.mark.parametrize(
    ("event", "name"),
    [("refunded", "amount"), ("booked", "starts_at"), ("completed", "site"), ("failed", "id")],
)
def test_a_cell_that_an_event_reads_is_part_of_its_id(
    tmp_path: Path, event: str, name: str
) -> None:
    row = {"client_id": "wren", "happened_at": "2026-03-02", "event": event, "id": "x1"}
    row |= {"amount": "9", "starts_at": "2026-03-09", "site": "s1"}
    other = row | {name: "2026-03-10" if name == "starts_at" else "8"}
    both = "".join(map(_line, (row, row.values(), other.values())))
    assert len({each.id for each in events(read(tmp_path, both))}) == 2


def test_codes_of_a_booking_are_carried(tmp_path: Path) -> None:
    text = "client_id,happened_at,event,id,咨询师编号\nwren,2026-03-02,completed,b1,t-7\n"
    (event,) = events(read(tmp_path, text))
    assert event.data.counsellor_id == "t-7"  # type: ignore[union-attr]


@pytest.mark.parametrize("sums", ["合计,,,,21920.00,,", "Total,,,,9,,", ",,,小计,9,,"])
def test_a_row_that_adds_up_others_is_refused(tmp_path: Path, sums: str) -> None:
    problem = the_problem(tmp_path, GOOD + sums + "\n")
    assert str(problem) == "line 4, -: adds up other lines: delete the line"


def test_an_event_id_that_two_lines_tell_differently_is_refused(tmp_path: Path) -> None:
    header = "event_id,client_id,happened_at,event,id\n"
    one = "e1,wren,2026-03-02,completed,b1\n"
    assert [event.id for event in events(read(tmp_path, header + one + one))] == ["e1", "e1"]
    found = problems(tmp_path, header + one + "e1,wren,2026-03-03,completed,b1\n")
    assert [(each.line, each.column) for each in found] == [(2, "event_id"), (3, "event_id")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "line 1, -: the file is empty", id="empty"),
        pytest.param(b"client_id,event,id\n", "happened_at: the column is missing", id="short"),
        pytest.param(HEADER.encode(), "no line after the header", id="only a header"),
        pytest.param(HEADER.encode() + b"wren\n\xff", "line 3, -: is not UTF-8", id="latin-1"),
        pytest.param(HEADER.encode() + b'"wren', "is not CSV", id="an open quote"),
        pytest.param(GOOD.encode() + b'"' + b"x" * 2_000_000, "is longer than", id="a long line"),
    ],
)
def test_what_is_no_table_is_said_and_nothing_is_taken(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    understood = look(tmp_path, content)
    assert problem in "\n".join(understood.refusals.by())
    assert not understood.can_begin
