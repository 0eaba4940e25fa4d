"""What is replayed is what the files say, and a bad line is named, never skipped."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rapport_contracts.source import (
    BookingCompleted,
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
from rapport_devkit.sources.dataset import Dataset, record_of
from rapport_devkit.sources.own_file import BadFile, read_file
from rapport_devkit.words import words_of
from rapport_files.events import Origin
from rapport_files.options import Options
from rapport_files.problems import Problem

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


class TestOwnFile:
    """The reader's own file."""

    @pytest.fixture
    def write(self, tmp_path: Path) -> Path:
        return tmp_path / "my.csv"

    def test_is_put_into_the_order_of_time(self, write: Path) -> None:
        write.write_text(
            HEADER
            + "wren,2026-03-02 14:30,settled,p1,49.90,EUR,\n"
            + "heron,2026-03-01,booked,b1,,,2026-03-04T09:00+01:00\n"
            + "wren,2026-03-03T23:30:00Z,refunded,p1,9.9,EUR,\n"
            + "wren,2026-03-03,failed,p2,,,\n"
        )
        data = read_file(write, ORIGIN)
        assert (data.title, data.currency) == ("my.csv", "EUR")
        assert sorted(data.days) == [date(2026, 3, day) for day in (1, 2, 3, 4)]
        assert [event.type.split(".")[2] for event in events_of(data)] == [
            "created",
            "settled",
            "failed",
            "refunded",
        ]

    def test_says_what_was_understood(self, write: Path) -> None:
        write.write_text(HEADER.replace("client_id", "客户编号") + "wren,2026-03-02,失约,b1,,,\n")
        with pytest.raises(BadFile):
            read_file(write, ORIGIN)
        write.write_text(HEADER.replace("client_id", "客户编号") + "wren,2026-03-02,爽约,b1,,,\n")
        notes = read_file(write, ORIGIN, words=words_of("zh")).notes
        assert any("客户编号 = client_id" in note for note in notes)
        assert "1 行，其中 0 行被拒绝，0 行等待回答" in notes

    def test_is_not_replayed_with_a_bad_line_or_a_question(self, write: Path) -> None:
        write.write_text(
            HEADER
            + "wren,2026-03-02,completed,b1,,,\n"
            + "wren,yesterday,completed,b2,,,\n"
            + "wren,1/3/2026,completed,b3,,,\n"
        )
        found: list[Problem] = []
        with pytest.raises(BadFile) as caught:
            read_file(write, ORIGIN, each=found.append)
        fault, question = caught.value.told(words_of("en"))
        assert fault == "line 3, happened_at: is not a date: write 2026-03-01 14:30"
        assert "day_order=day" in question
        assert caught.value.asks
        assert [problem.line for problem in found] == [3]

    def test_is_read_as_answered(self, write: Path) -> None:
        write.write_text(HEADER + "wren,1/3/2026,completed,b3,,,\n")
        data = read_file(write, ORIGIN, Options(answers={"day_order": "day"}))
        assert list(data.days) == [date(2026, 3, 1)]
