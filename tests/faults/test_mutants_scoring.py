"""Protections of scoring, each taken out once: the same scenario then goes wrong.

`mutant` True takes the protection out, and the test passes only if that does harm;
`tools.proof.claims.protections` lists all.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from rapport_contracts import canonical, codec, topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.port import TopicPartition
from scoring_service import consumers, handlers
from scoring_service.bootstrap import rulebook_source
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Numbered
from scoring_service.domain.practice_days import PracticeDays
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change
from scoring_service.handlers import Folded, PartitionFacts
from scoring_service.ports import Clients
from scoring_service.store import sweep_progress
from scoring_service.store.stores import PostgresStore
from scoring_service.translate import numbered
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
RULEBOOK = rulebook_source(SimpleNamespace(rulebook_path=None))  # type: ignore[arg-type]


@pytest.fixture
def scoring(service_database: Callable[[str], ServiceDatabase]) -> Iterator[ScoringWorld]:
    """Scoring with an empty log."""
    world = ScoringWorld(Log(), service_database("scoring"), RULEBOOK, records=5_000)
    yield world
    world.close()


def noon(month: int, day: int) -> datetime:
    return datetime(2025, month, day, 12, tzinfo=UTC)


def visit(log: Log, at: datetime, **more: Any) -> None:
    """Ada comes at `at`, and it is known at once."""
    log.activity("ada", "completed", at.date(), at, **more)


@pytest.mark.parametrize("mutant", [False, True])
def test_a_client_is_walked_to_the_day_before_a_fact_is_folded(
    scoring: ScoringWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """However late the sweep: who fell and came again is seen to fall. Mutant: the fact is folded
    as if the days before it had been empty of changes."""
    if mutant:
        monkeypatch.setattr(consumers, "fold_facts", _fold_without_walking)
    log = scoring.log
    log.watermark(noon(1, 10))
    for day in (10, 11, 12):
        visit(log, noon(1, day))
    log.watermark(noon(1, 12))
    scoring.read_all()
    scoring.sweep_only_every(1_000_000)
    log.watermark(noon(7, 20))  # six months later
    visit(log, noon(7, 20))
    scoring.read_all()
    reasons = [change.reason for change in scoring.changes()]
    survives = "elapsed_time" in reasons
    assert survives is not mutant


def _fold_without_walking(
    clients: Clients, rulebook: Rulebook, partition_facts: Sequence[PartitionFacts]
) -> Folded:
    def jump(
        state: ClientState, _rulebook: Rulebook, day: date | None, _days: PracticeDays
    ) -> list[Change]:
        state.assessed_on = day
        return []

    with mock.patch.object(handlers, "advance_to_day", jump):
        return handlers.fold_facts(clients, rulebook, partition_facts)


@pytest.mark.parametrize("mutant", [False, True])
def test_the_first_watermark_assesses_who_came_before_it(
    scoring: ScoringWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Facts from before time was known are folded, and assessed when it is. Mutant: nobody is
    made due by it."""
    if mutant:
        monkeypatch.setattr(PostgresStore, "await_first_assessment", lambda *_arguments: None)
    visit(scoring.log, noon(1, 10))
    scoring.log.watermark(noon(1, 11))
    scoring.read_all()
    versions = [(change.version, change.origin) for change in scoring.changes()]
    survives = versions == [(1, "backfill")]
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_an_activity_that_comes_twice_counts_once(
    scoring: ScoringWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """R7: a relay publishes at least once; (generation, sequence) tells. Mutant: it is not
    looked at."""
    if mutant:
        monkeypatch.setattr(ClientState, "accepts", lambda *_arguments: True)
    log = scoring.log
    log.watermark(noon(1, 10))
    for _ in range(3):
        visit(log, noon(1, 10), sequence=1)
    log.watermark(noon(1, 11))
    scoring.read_all()
    scores = {change.score for change in scoring.changes()}
    survives = scores == {Decimal("37.00")}  # 30 for recency, a fifth of 35 for one visit
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_source_event_in_two_batches_is_assessed_once(
    scoring: ScoringWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """A payment whose refund came before it lifts nobody, though a batch ends within it. Mutant:
    what is there of it is assessed at once."""
    if mutant:
        monkeypatch.setattr(consumers.translate, "numbered", _as_if_whole)
    log, at = scoring.log, noon(1, 10)
    paid = {"amount_minor": 20_000, "source": "desk", "cause_id": "e1"}
    log.watermark(at)
    visit(log, at)
    log.activity("ada", "settled", at.date(), at, last_of_cause=False, **paid)
    scoring.read_all()
    log.activity("ada", "refunded", at.date(), at, refers_to="a2", **paid)
    log.watermark(noon(1, 11))
    scoring.read_all()
    survives = [change.to_tier for change in scoring.changes()] == ["bronze"]
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_source_event_without_its_end_is_closed_by_the_next_watermark(
    scoring: ScoringWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Its last activity may be a dead letter. Mutant: the client is made due much later."""
    if mutant:
        much_later = noon(12, 31)
        monkeypatch.setattr(
            handlers, "leave_open", lambda state, _time: setattr(state, "review_at", much_later)
        )
    log, at = scoring.log, noon(1, 10)
    log.watermark(at)
    visit(log, at, source="desk", cause_id="e1", last_of_cause=False)
    scoring.read_all()
    assert scoring.changes() == []
    log.watermark(noon(1, 11))
    scoring.read_all()
    survives = [change.to_tier for change in scoring.changes()] == ["bronze"]
    assert survives is not mutant


def _as_if_whole(event: canonical.ActivityRecorded) -> Numbered:
    fact = numbered(event)
    fact.is_last_of_cause = True
    return fact


@pytest.mark.parametrize("mutant", [False, True])
def test_time_is_passed_on_only_after_its_sweep(
    scoring: ScoringWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Who hears a watermark has heard the changes that it brings. Mutant: it is passed on as soon
    as it was read."""
    if mutant:
        read = sweep_progress._SWEPT_THROUGH.replace("swept_through", "processed_through")
        read = read.replace("processed_through FROM", "processed_through AS swept_through FROM")
        monkeypatch.setattr(sweep_progress, "_SWEPT_THROUGH", read)
    log = scoring.log
    log.watermark(noon(1, 10))
    visit(log, noon(1, 10))
    scoring.read_all()
    publish = scoring.handler._publish
    monkeypatch.setattr(
        scoring.handler, "after_commit", lambda _held: publish()
    )  # the sweep is late
    log.watermark(noon(7, 20))
    for _ in range(2):
        scoring.turn()
    survives = noon(7, 20) not in _passed_on(scoring)
    assert survives is not mutant


def _passed_on(scoring: ScoringWorld) -> set[datetime]:
    """The watermarks on the tier changes."""
    return {
        event.data.up_to
        for number in range(topics.PER_CLIENT_PARTITIONS)
        for record in scoring.log.bus.logs[TopicPartition(topics.TIER_CHANGES.name, number)]
        for event in [codec.decode(topics.TIER_CHANGES.name, record.key, record.value)]
        if isinstance(event, canonical.WatermarkAdvanced)
    }
