"""The command `import` on stores in memory: files, kills, refusals, snapshots (ADR 51)."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion_service.declaring import declare_source
from ingestion_service.domain.sources import SourceKey, as_itself
from ingestion_service.draining import Drain
from ingestion_service.handlers import register_practice
from ingestion_service.importing import running, taking
from ingestion_service.importing.command import import_command
from rapport_contracts.source import PaymentSettled
from rapport_devkit.sources.cdnow import read_cdnow
from rapport_files.events import Origin
from rapport_runtime import failpoints
from rapport_runtime.ops.operators import Refused
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE

HEADER = "client_id,happened_at,event,id,amount,currency,starts_at\n"
PAID = "c1,2024-05-01,settled,p1,10.00,CNY,\n"
TWICE = "c2,2024-05-02,settled,p2,20.00,CNY,\n" * 2
REFUNDED = "c1,2024-05-03,refunded,p1,5.00,CNY,\n"
STATES = "client_id,starts_at,status,id,counsellor_id\n"


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> MemoryStores:
    """Two practices, at noon of 1 June; chunks of two events, and no signals."""
    monkeypatch.setattr(taking, "CHUNK", 2)
    monkeypatch.setattr(taking.chunks, "__defaults__", (2,))
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    monkeypatch.setattr(running.audit, "record", lambda *_: None)
    made = MemoryStores()
    with made.open_for_operator() as store:
        register_practice(LAKESIDE, store)
        register_practice(HARBOUR, store)
    return made


@pytest.fixture
def given(stores: MemoryStores, tmp_path: Path) -> Callable[..., list[str]]:
    """`given(text, *words)` gives the command for a file of Lakeside with this text."""

    class NoDatabase:
        def transaction(self) -> Any:
            return stores.transaction()

    def give(text: str, *words: str, takes: bool = True, source: str = "desk") -> list[str]:
        file = tmp_path / "my.csv"
        file.write_text(text, encoding="utf-8")
        whose = ["--practice", "lakeside", "--source", source, "--by", "ann"]
        yes = ["--yes", "--backfill"] if takes else []
        command = import_command(lambda *_: stores)
        options = command.parser.parse_args([str(file), *whose, *yes, *words])
        nothing: Any = NoDatabase()
        return command.act(nothing, nothing, options)

    return give


def ledger(stores: MemoryStores) -> dict[str, bytes]:
    """The events of the ledger, with what they say."""
    return {key.event_id: one.content_hash for key, one in stores.tables.ledger.items()}


def sums(stores: MemoryStores) -> Counter[tuple[str, str]]:
    """What the activities come to, by the client's name outside and the kind."""
    names = {client_id: key.external_id for key, client_id in stores.tables.identities.items()}
    found: Counter[tuple[str, str]] = Counter()
    for each in stores.tables.published:
        found[names[each.owner.client_id], each.delta.kind] += each.delta.amount_minor or (
            each.delta.number
        )
    return found


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


def test_the_errors_file_is_not_the_file_itself(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="another file"):
        given(HEADER + PAID, "--errors", str(tmp_path / "my.csv"))
    assert (tmp_path / "my.csv").read_text() == HEADER + PAID


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


@pytest.mark.parametrize("takes", [False, True])
def test_a_source_that_is_not_declared_is_told_before_anything_is_taken(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path, *, takes: bool
) -> None:
    errors = tmp_path / "errors.csv"
    with stores.open_for_operator() as store:
        register_practice(LAKESIDE._replace(undeclared_sources="wait"), store)
    with pytest.raises(Refused, match="has not declared it"):
        given(HEADER + PAID, "--errors", str(errors), takes=takes)
    assert not errors.exists()
    with stores.open(LAKESIDE.practice_id) as store:
        declare_source(as_itself(SourceKey(LAKESIDE.practice_id, "desk"), is_fixed=False), store)
    assert given(HEADER + PAID, "--errors", str(errors), takes=takes)


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


def test_refused_lines_are_in_the_errors_file_with_their_numbers_and_the_way_out(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    secret = "c9,2024-05-04,settled,p9,1o.00,CNY,\n"
    future = "c1,2031-01-01,settled,p7,1.00,CNY,\n"
    lines = given(HEADER + PAID + secret + TWICE + future, "--errors", str(errors))
    assert "refused: 1" in lines[-2]
    rows = errors.read_text("utf-8-sig").splitlines()
    assert rows[0] == "line,column,reason,way out"
    assert [row.split(",")[0] for row in rows[1:]] == ["3", "6"]
    assert "correct the date" in rows[2]
    assert "1o.00" not in errors.read_text("utf-8-sig")
    assert len(stores.tables.ledger) == 3


def test_a_line_in_another_currency_than_the_practices_is_refused_alone_though_it_is_the_first(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    given(HEADER + "c3,2024-05-02,settled,p3,20.00,USD,\n" + PAID, "--errors", str(errors))
    _, refused = errors.read_text("utf-8-sig").splitlines()
    assert refused.startswith("2,currency,")
    assert "the currency of the practice" in refused
    assert len(stores.tables.ledger) == 1


def test_a_file_that_is_changed_meanwhile_is_not_taken_on(
    stores: MemoryStores,
    given: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def change(name: str) -> None:
        if name == "importing":
            (tmp_path / "my.csv").write_text("changed")

    monkeypatch.setattr(failpoints, "hit", change)
    with pytest.raises(Refused, match="the file was changed meanwhile"):
        given(HEADER + PAID + TWICE + REFUNDED)
    assert len(stores.tables.ledger) == 3


def test_when_all_of_the_first_chunk_is_refused_nothing_is_written(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    future = "".join(f"c1,2031-01-01,settled,q{n},1.00,CNY,\n" for n in range(2))
    with pytest.raises(Refused, match="nothing was written: occurred-in-the-future"):
        given(HEADER + future + PAID, "--errors", str(errors))
    lines = errors.read_text("utf-8-sig").splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["2", "3"]
    assert (stores.tables.ledger, stores.tables.imports) == ({}, {})
    assert stores.tables.queues.holds == []


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        pytest.param(
            HEADER + "c1,1/3/2026,settled,p1,1.00,CNY,\n", [], "not understood", id="a question"
        ),
        pytest.param(HEADER + PAID, ["--answer", "no=x"], "no is no question", id="an answer"),
        pytest.param(HEADER + PAID, ["--practice", "quay"], "not registered", id="a practice"),
        pytest.param(HEADER + PAID, ["--source", ""], "--source: 1 to 200", id="a source"),
        pytest.param(HEADER + PAID, ["--first-day", "2026-01-01"], "both", id="half a range"),
    ],
)
def test_what_is_not_clear_is_not_taken(
    stores: MemoryStores,
    given: Callable[..., list[str]],
    text: str,
    words: list[str],
    why: str,
) -> None:
    with pytest.raises(Refused, match=why):
        given(text, *words)
    assert stores.tables.ledger == {}


def test_nobody_guesses_whether_a_file_reports_history(given: Callable[..., list[str]]) -> None:
    with pytest.raises(Refused, match="--backfill"):
        given(HEADER + PAID, "--yes", takes=False)
    assert given(HEADER + PAID, "--yes", "--no-backfill", takes=False)


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
