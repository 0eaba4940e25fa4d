"""The command `import` on stores in memory: files, kills, refusals, snapshots (ADR 51)."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion_service.declaring import declare_source
from ingestion_service.domain.facts import Details
from ingestion_service.domain.sources import Source
from ingestion_service.draining import Drain
from ingestion_service.handlers import accept
from ingestion_service.importing import running, taking
from rapport_contracts.source import PaymentSettled
from rapport_devkit.sources.cdnow import read_cdnow
from rapport_files.events import Origin
from rapport_runtime import failpoints
from rapport_runtime.ops.operators import Refused
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import LAKESIDE, fact
from tests.unit.ingestion_service.importing.files import (
    HEADER,
    PAID,
    REFUNDED,
    STATES,
    TWICE,
    Killed,
    ledger,
    sums,
)


def test_without_yes_it_only_tells_what_it_understood(
    stores: MemoryStores, given: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (told,) = given(HEADER + PAID + TWICE, takes=False)
    assert told == "3 events to take; nothing was written: --yes takes them"
    assert "payment.settled: 3" in capsys.readouterr().out
    assert stores.tables.ledger == {}
    assert stores.tables.queues.holds == []


def test_a_file_is_taken_as_history_under_a_hold_that_ends(
    stores: MemoryStores, given: Callable[..., list[str]]
) -> None:
    assert given(HEADER + PAID + TWICE + REFUNDED)[-1].startswith("accepted: 4 events;")
    assert {one.fact.backfill for one in stores.tables.ledger.values()} == {True}
    assert sums(stores)["c2", "settled"] == 2_000
    (before, begun), (after, ended) = stores.tables.queues.holds
    assert (begun.is_held, begun.reason, begun.source) == (True, "import", "desk")
    assert (ended.is_held, ended.hold_id) == (False, begun.hold_id)
    assert (before, after) == (0, len(stores.tables.published))
    assert stores.tables.imports == {}


def test_signals_are_taken_as_events_are_and_those_of_care_are_refused(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    header, errors = "client_id,happened_at,event,id,counsellor_id\n", tmp_path / "errors.csv"
    rows = [
        "c1,2024-05-01,visited,,x7\n",
        "c1,2024-05-02,case_opened,k1,x7\n",
        "c1,2024-05-02,mood,m1,\n",
        "c1,2024-05-03,case_opened,k1,x8\n",
    ]
    lines = given(header + "".join(rows), "--errors", str(errors))
    assert lines[-1].startswith("accepted: 3 events;")
    assert {kind for _, kind in sums(stores)} == {"visited", "case_opened"}
    (line,) = errors.read_text("utf-8-sig").splitlines()[1:]
    assert line.startswith("4,event,")


def test_the_same_file_twice_says_nothing_new(
    stores: MemoryStores, given: Callable[..., list[str]]
) -> None:
    text = HEADER + PAID + TWICE + REFUNDED
    given(text)
    known, published = ledger(stores), len(stores.tables.published)
    assert "known before: 4;" in given(text)[-1]
    assert (ledger(stores), len(stores.tables.published)) == (known, published)


@pytest.mark.parametrize("place", [1, 2])
def test_killed_in_the_middle_and_given_again_the_ledger_is_the_same(
    stores: MemoryStores,
    given: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    place: int,
) -> None:
    text = HEADER + PAID + TWICE + REFUNDED + "c3,2024-05-02,settled,p3,20.00,CNY,\n"
    hits = iter(range(1, 100))

    def kill(name: str) -> None:
        if name == "importing" and next(hits) == place:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hit", kill)
        with pytest.raises(Killed):
            given(text)
    done = sum(row.job.position for row in stores.tables.imports.values())
    assert len(stores.tables.ledger) == done
    lines = given(text)
    assert lines[:-1] == ([f"taken before: {done} events"] if done else [])
    assert lines[-1].startswith("accepted: 5 events; known before: 0;")
    assert len({key.event_id for key in stores.tables.ledger}) == 5
    assert Counter(hold.is_held for _, hold in stores.tables.queues.holds)[False] == 1


def test_what_is_taken_twice_by_two_halves_in_another_order_is_the_same(
    stores: MemoryStores, given: Callable[..., list[str]]
) -> None:
    rows = [PAID, TWICE, REFUNDED, "c3,2024-05-02,settled,p3,20.00,CNY,\n"]
    given(HEADER + "".join(rows))
    known = ledger(stores)
    order = random.Random(7).sample(rows, len(rows))
    for half in (order[:2], order[2:]):
        given(HEADER + "".join(half))
    assert ledger(stores) == known


def test_an_import_that_never_comes_back_lets_its_practice_go_after_an_hour(
    stores: MemoryStores, given: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = Drain(stores, lambda *_: None)
    hits = iter(range(1, 100))

    def kill(name: str) -> None:
        if name == "importing" and next(hits) == 2:
            raise Killed

    text = HEADER + PAID + TWICE + REFUNDED
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hit", kill)
        with pytest.raises(Killed):
            given(text)
    for minutes, is_held in ((59, [True]), (2, [True, False])):
        stores.real_time += timedelta(minutes=minutes)
        drain.look()
        drain.look()
        assert [hold.is_held for _, hold in stores.tables.queues.holds] == is_held
    assert given(text)[0] == "taken before: 3 events"
    held = [hold.is_held for _, hold in stores.tables.queues.holds]
    assert held == [True, False, True, False]


def test_it_waits_while_much_is_to_be_published(
    stores: MemoryStores, given: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Published(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            stores.tables.waiting -= 4_000
            return False

    stores.tables.waiting = taking.MOST_WAITING + 1
    monkeypatch.setattr(running, "stop_on_signals", Published)
    given(HEADER + PAID)
    assert stores.tables.waiting == taking.MOST_WAITING - 3_999


class TestSnapshots:
    """Bookings as they are now, told again and again."""

    AS = ("--as", "snapshot")

    def at(self, text: str) -> tuple[str, str]:
        return ("--taken-at", f"2024-05-{text}T00:00+00:00")

    def test_what_has_changed_is_told_and_nothing_else(
        self, stores: MemoryStores, given: Callable[..., list[str]]
    ) -> None:
        first = STATES + "c1,2024-05-20 10:00,booked,b1,t1\nc2,2024-05-02 10:00,completed,b2,\n"
        given(first, *self.AS, *self.at("10"))
        assert given(first, *self.AS, *self.at("11")) == ["nothing to take: the ledger has it all"]
        second = STATES + "c1,2024-05-20 12:00,booked,b1,t1\nc2,2024-05-02 10:00,no_show,b2,\n"
        given(second, *self.AS, *self.at("12"))
        kinds = [one.fact.kind for one in stores.tables.ledger.values()]
        assert kinds == ["created", "completed", "rescheduled", "no_show"]
        assert given(second, *self.AS, *self.at("13")) == ["nothing to take: the ledger has it all"]

    def test_what_cannot_be_compared_is_told_with_its_line(
        self, given: Callable[..., list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        errors = tmp_path / "errors.csv"
        given(STATES + "c1,2024-05-20 10:00,booked,b1,\n", *self.AS, *self.at("10"))
        of_another = STATES + "c2,2024-05-20 12:00,booked,b1,\n"
        told = given(of_another, *self.AS, *self.at("11"), "--errors", str(errors))
        assert told == ["nothing to take: 1 refused; what else there is, the ledger has"]
        assert "names another client than before" in capsys.readouterr().out
        (row,) = errors.read_text("utf-8-sig").splitlines()[1:]
        assert row.startswith("2,-,names another client than before")

    def test_hours_are_in_the_zone_of_the_source(
        self, stores: MemoryStores, given: Callable[..., list[str]]
    ) -> None:
        desk = Source(LAKESIDE.practice_id, "desk", "Desk", "booking", "desk")
        with stores.open(LAKESIDE.practice_id) as store:
            declare_source(desk._replace(zone="Europe/London"), store)
        given(STATES + "c1,2024-05-20 10:00,booked,b1,\n", *self.AS, *self.at("10"))
        (one,) = stores.tables.ledger.values()
        assert one.fact.starts_at == datetime(2024, 5, 20, 9, tzinfo=UTC)

    @pytest.mark.parametrize("last_day", ["9999-12-31", "2200-01-01"])
    def test_a_day_that_no_calendar_of_ours_holds_is_refused(
        self, given: Callable[..., list[str]], last_day: str
    ) -> None:
        days = ("--first-day", "2024-05-01", "--last-day", last_day)
        with pytest.raises(Refused, match="--last-day: days from 1970-01-01 to 2199-12-31"):
            given(STATES + "c1,2024-05-20 10:00,booked,b1,\n", *self.AS, *self.at("10"), *days)

    def test_what_a_file_of_whole_days_lacks_is_cancelled_when_it_is_not_too_much(
        self, stores: MemoryStores, given: Callable[..., list[str]]
    ) -> None:
        rows = [f"c{n},2024-05-2{n % 5} 10:00,booked,b{n},\n" for n in range(12)]
        days = ("--first-day", "2024-05-01", "--last-day", "2024-05-31")
        given(STATES + "".join(rows), *self.AS, *self.at("10"), *days)
        given(STATES + "".join(rows[:-1]), *self.AS, *self.at("11"))
        assert len(stores.tables.ledger) == 12
        given(STATES + "".join(rows[:-1]), *self.AS, *self.at("12"), *days)
        (gone,) = list(stores.tables.ledger.values())[12:]
        assert (gone.fact.kind, gone.fact.external_object_id) == ("cancelled", "b11")
        with pytest.raises(Refused, match="6 of 11 planned hours"):
            given(STATES + "".join(rows[:5]), *self.AS, *self.at("13"), *days)
        given(STATES + "".join(rows[:5]), *self.AS, *self.at("13"), *days, "--vanishing-is-right")
        assert Counter(one.fact.kind for one in stores.tables.ledger.values()) == {
            "created": 12,
            "cancelled": 7,
        }

    def test_a_booking_whose_line_cannot_be_read_is_not_cancelled(
        self, stores: MemoryStores, given: Callable[..., list[str]]
    ) -> None:
        rows = [f"c{n},2024-05-2{n % 5} 10:00,booked,b{n},\n" for n in range(12)]
        days = ("--first-day", "2024-05-01", "--last-day", "2024-05-31")
        given(STATES + "".join(rows), *self.AS, *self.at("10"), *days)
        rows[11] = "c11,2024-05-21 1o:00,booked,b11,\n"
        given(STATES + "".join(rows), *self.AS, *self.at("11"), *days)
        assert {one.fact.kind for one in stores.tables.ledger.values()} == {"created"}

    def test_who_is_known_by_e_mail_keeps_a_booking_till_it_vanishes(
        self, stores: MemoryStores, given: Callable[..., list[str]]
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            declare_source(
                Source(LAKESIDE.practice_id, "desk", "Desk", "booking", "desk", "personal"), store
            )
        rows = [f"c{n}@example.org,2024-05-2{n % 5} 10:00,booked,b{n},\n" for n in range(12)]
        days = ("--first-day", "2024-05-01", "--last-day", "2024-05-31")
        given(STATES + "".join(rows), *self.AS, *self.at("10"), *days)
        moved = rows[0].replace("10:00", "12:00")
        given(STATES + "".join([moved, *rows[1:-1]]), *self.AS, *self.at("12"), *days)
        later = [each.fact for each in list(stores.tables.ledger.values())[12:]]
        assert [(each.kind, each.external_object_id) for each in later] == [
            ("rescheduled", "b0"),
            ("cancelled", "b11"),
        ]

    def test_a_booking_that_took_the_place_of_another_is_known_by_its_new_id(
        self, stores: MemoryStores, given: Callable[..., list[str]]
    ) -> None:
        hour = datetime(2024, 5, 20, 2, tzinfo=UTC)
        first = fact("created", "e1", external_object_id="b1", starts_at=hour)
        moved = fact("rescheduled", "e2", external_object_id="b2", starts_at=hour)
        with stores.open(LAKESIDE.practice_id) as store:
            accept([first, moved._replace(details=Details(replaces="b1"))], store)
        text = STATES + "wang-fang,2024-05-20 10:00,booked,b2,\n"
        assert given(text, *self.AS, *self.at("10")) == ["nothing to take: the ledger has it all"]

    def test_killed_a_snapshot_tells_the_same_events(
        self,
        stores: MemoryStores,
        given: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        text = "client_id,starts_at,status,id,booked_at\n" + "".join(
            f"c{n},2024-05-02 10:00,completed,b{n},2024-05-01\n" for n in range(5)
        )
        before = stores.tables.copied()
        given(text, *self.AS, *self.at("10"))
        whole, stores.tables = ledger(stores), before
        hits = iter(range(1, 100))

        def kill(name: str) -> None:
            if name == "importing" and next(hits) == 3:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "hit", kill)
            with pytest.raises(Killed):
                given(text, *self.AS, *self.at("10"))
        assert 0 < len(stores.tables.ledger) < len(whole)
        given(text, *self.AS, *self.at("11"))
        assert ledger(stores) == whole


def test_a_file_of_a_shop_is_in_the_ledger_as_it_is_in_the_file(
    stores: MemoryStores, given: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Purchases of the CDNOW sample: twice, in halves that were shuffled; the whole sample goes
    through Postgres (tests/integration)."""
    monkeypatch.setattr(taking.chunks, "__defaults__", (500,))
    origin = Origin(practice_id="lakeside", zone="Asia/Shanghai", source="shop")
    payments = [
        each
        for events in read_cdnow(origin).days.values()
        for each in events
        if isinstance(each, PaymentSettled)
    ][:800]
    rows = Counter(
        f"{each.subject},{each.time.date()},settled,{n},{each.data.amount_minor / 100:.2f},CNY,\n"
        for n, each in enumerate(payments)
    )
    given(HEADER + "".join(rows.elements()), source="shop")
    assert len(stores.tables.ledger) == len(payments)
    known, published = ledger(stores), len(stores.tables.published)
    shuffled = random.Random(1).sample(sorted(rows), len(rows))
    for half in (shuffled[::2], shuffled[1::2]):
        given(HEADER + "".join(row * rows[row] for row in half), source="shop")
    assert (ledger(stores), len(stores.tables.published)) == (known, published)
    told = sum(each.delta.amount_minor for each in stores.tables.published)
    assert told == sum(each.data.amount_minor for each in payments)
