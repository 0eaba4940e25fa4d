"""What is replayed is what the files say, and a bad line is named, never skipped."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rapport_contracts.source import (
    BookingCompleted,
    BookingCreated,
    PaymentRefunded,
    PaymentSettled,
    SourceEvent,
)
from rapport_contracts.topics import (
    PER_CLIENT_PARTITIONS,
    SOURCE_BOOKINGS,
    SOURCE_PAYMENTS,
    partition_of,
)
from rapport_devkit.sources.cdnow import purchase, read_cdnow
from rapport_devkit.sources.csv_file import read_csv
from rapport_devkit.sources.csv_problems import BadFile
from rapport_devkit.sources.dataset import Dataset, Origin, record_of

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="test")


@pytest.fixture(scope="module")
def cdnow() -> Dataset:
    return read_cdnow(ORIGIN)


def events_of(dataset: Dataset) -> list[SourceEvent]:
    return [event for events in dataset.days.values() for event in events]


class TestCdnow:
    """The committed sample."""

    def test_is_whole(self, cdnow: Dataset) -> None:
        assert (cdnow.first_on, cdnow.last_on) == (date(1997, 1, 1), date(1998, 6, 30))
        assert Counter(event.type for event in events_of(cdnow)) == {
            "rapport.booking.completed.v1": 6_919,
            "rapport.payment.settled.v1": 6_919,
        }
        assert len(cdnow.clients()) == 2_357
        assert len(list(cdnow.calendar())) == 546

    def test_tells_identical_rows_apart_by_their_line(self, cdnow: Dataset) -> None:
        assert len({event.id for event in events_of(cdnow)}) == cdnow.events

    def test_keeps_amounts_of_zero_and_every_cent(self, cdnow: Dataset) -> None:
        paid = [e.data.amount_minor for e in events_of(cdnow) if isinstance(e, PaymentSettled)]
        assert paid.count(0) == 8
        assert sum(paid) == 24_409_194

    def test_makes_an_hour_before_noon_of_the_practices_clock(self) -> None:
        booking, payment = purchase(7, " 00004 0001 19970118  2   29.73", ORIGIN)
        assert isinstance(booking, BookingCompleted)
        assert isinstance(payment, PaymentSettled)
        assert booking.time == payment.time == datetime(1997, 1, 18, 2, tzinfo=UTC)
        assert (payment.data.amount_minor, payment.data.currency) == (2973, "USD")

    def test_can_be_cut_to_its_first_days(self, cdnow: Dataset) -> None:
        first = cdnow.until(3)
        assert sorted(first.days) == [date(1997, 1, day) for day in (1, 2, 3)]
        assert first.days[date(1997, 1, 2)] == cdnow.days[date(1997, 1, 2)]
        with pytest.raises(ValueError, match="one day"):
            cdnow.until(0)


def test_a_record_is_keyed_and_placed_by_its_client() -> None:
    booking, payment = purchase(1, "00004 0001 19970118 2 29.73", ORIGIN)
    records = [record_of(booking), record_of(payment)]
    assert [record.topic for record in records] == [SOURCE_BOOKINGS.name, SOURCE_PAYMENTS.name]
    assert {record.key for record in records} == {b"cdnow-0001"}
    assert {record.partition for record in records} == {
        partition_of("cdnow-0001", PER_CLIENT_PARTITIONS)
    }


HEADER = "client_id,happened_at,event,id,amount,currency,starts_at\n"


class TestCsv:
    """The reader's own file."""

    @pytest.fixture
    def write(self, tmp_path: Path) -> Path:
        return tmp_path / "my.csv"

    def test_reads_every_kind_in_the_order_of_time(self, write: Path) -> None:
        write.write_text(
            HEADER
            + "wren,2026-03-02 14:30,settled,p1,49.90,EUR,\n"
            + "heron,2026-03-01,booked,b1,,,2026-03-04T09:00+01:00\n"
            + "wren,2026-03-03T23:30:00Z,refunded,p1,9.9,,\n"
            + "wren,2026-03-03,failed,p2,,,\n"
            + "wren,2026-03-03,cancelled,b2,,,\n"
        )
        data = read_csv(write, ORIGIN)
        assert data.currency == "EUR"
        assert sorted(data.days) == [date(2026, 3, day) for day in (1, 2, 3, 4)]
        booked, settled, failed, cancelled, refunded = events_of(data)
        assert isinstance(booked, BookingCreated)
        assert (booked.id, booked.subject) == ("line-3", "heron")
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

    def test_counts_minor_units_by_the_currency(self, write: Path) -> None:
        write.write_text(HEADER + "wren,2026-03-02,settled,p1,4990,JPY,\n")
        (event,) = events_of(read_csv(write, ORIGIN))
        assert isinstance(event, PaymentSettled)
        assert event.data.amount_minor == 4990

    def test_knows_the_decimals_of_every_currency(self, write: Path) -> None:
        write.write_text(HEADER + "wren,2026-03-02,settled,p1,1.2345,CLF,\n")
        (event,) = events_of(read_csv(write, ORIGIN))
        assert isinstance(event, PaymentSettled)
        assert event.data.amount_minor == 12345

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
    def test_takes_the_ranges_of_the_contracts(
        self, write: Path, line: str, column: str, way_out: str
    ) -> None:
        write.write_text(HEADER + line + "\n")
        with pytest.raises(BadFile) as caught:
            read_csv(write, ORIGIN)
        (problem,) = caught.value.problems
        assert (problem.column, way_out in problem.reason) == (column, True)

    def test_names_every_bad_line_and_reads_none(self, write: Path) -> None:
        write.write_text(
            HEADER
            + "wren,2026-03-02,settled,p1,49.90,EUR,\n"
            + ",2026-03-02,completed,b1,,,\n"
            + "wren,yesterday,completed,b1,,,\n"
            + "wren,2026-03-02,came,b1,,,\n"
            + 'wren,2026-03-02,settled,"p\n2","1,50",,\n'
            + "wren,2026-03-02,settled,p3,1.005,,\n"
            + "wren,2026-03-02,settled,p4,-1,,\n"
            + "wren,2026-03-02,settled,p5,1,CNY,\n"
            + "wren,1970-03-02,completed,b2,,,\n"
            + "wren,2026-03-02,booked,b3,,,\n"
            + "wren,2026-03-02,settled,p6,1e999999999,,\n"
            + "wren,2026-03-02,settled,p7,NaN,,\n"
            + "wren,2026-03-02\n"
        )
        with pytest.raises(BadFile) as caught:
            read_csv(write, ORIGIN)
        places = [(problem.line, problem.column) for problem in caught.value.problems]
        assert places == [
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
        assert "line 4, happened_at: is not a date" in str(caught.value)
        assert "yesterday" not in str(caught.value)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            pytest.param(b"", "line 1, -: the file is empty", id="empty"),
            pytest.param(b"client_id,event,id\n", "happened_at: the column is missing", id="short"),
            pytest.param(HEADER.encode(), "no line after the header", id="only a header"),
            pytest.param(HEADER.encode() + b"wren\n\xff", "line 3, -: is not UTF-8", id="latin-1"),
            pytest.param(HEADER.encode() + b'"wren', "is not CSV", id="an open quote"),
        ],
    )
    def test_says_what_is_no_table(self, write: Path, content: bytes, problem: str) -> None:
        write.write_bytes(content)
        with pytest.raises(BadFile, match=problem):
            read_csv(write, ORIGIN)
