"""Whole histories of a client: the oracle's, however late the sweep and wherever batches end."""

from datetime import date, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring_service.domain.facts import Fact
from scoring_service.domain.periods import local_day, midnight
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change, ClientState, catch_up, fold, review
from tests.support.oracle_tiers import OracleClient, OracleFact, Rules
from tests.unit.scoring_service.histories import BOOKS, facts, places, told

Log = list[OracleFact | datetime]


@st.composite
def logs(draw: st.DrawFn) -> tuple[Rules, Rulebook, str, Log]:
    """A partition's records of one client: facts, corrections, late ones, twice, and watermarks."""
    rules, rulebook = draw(st.sampled_from(BOOKS))
    zone, day = draw(places())
    clock = midnight(day, zone) + timedelta(hours=draw(st.integers(0, 30)))
    log: Log = []
    for sequence in range(1, draw(st.integers(1, 12)) + 1):
        if draw(st.booleans()):
            clock += timedelta(hours=draw(st.sampled_from((1, 12, 24, 25, 24 * 31, 24 * 200))))
            log.append(clock)
        base = draw(facts(zone, local_day(clock, zone), future=2))
        age = draw(st.sampled_from((0, 0, 3600, 86_400, 8 * 86_400)))
        log.append(
            OracleFact(
                base.kind,
                base.on,
                base.count,
                base.amount_minor,
                sequence,
                occurred_at=clock - timedelta(seconds=age),
                accepted_at=clock,
                refers_to=draw(st.sampled_from((None, None, "act-0"))),
                activity_id=f"act-{sequence}",
            )
        )
        if draw(st.integers(0, 4)) == 0:
            log.append(draw(st.sampled_from([r for r in log if isinstance(r, OracleFact)])))
    order = draw(st.permutations(range(len(log)))) if draw(st.booleans()) else range(len(log))
    times = iter([r for r in log if isinstance(r, datetime)])
    shuffled = [log[place] for place in order]
    log = [next(times) if isinstance(r, datetime) else r for r in shuffled]
    return rules, rulebook, zone, [*log, clock + timedelta(days=draw(st.integers(0, 500)))]


def as_domain(record: OracleFact, zone: str) -> Fact:
    return Fact(
        record.activity_id,
        1,
        record.sequence,
        record.kind,
        record.on,
        zone,
        record.count,
        record.amount_minor,
        record.occurred_at,
        record.accepted_at,
        record.refers_to,
    )


def replay(rulebook: Rulebook, zone: str, log: Log, sweeps: list[bool]) -> list[Change]:
    """The log through the domain: every fact after `catch_up`, sweeps only where asked."""
    state = ClientState("harbour", "mirabel", 0, zone)
    changes: list[Change] = []
    first: date | None = None
    today: date | None = None
    for place, record in enumerate(log):
        last = place == len(log) - 1
        if isinstance(record, datetime):
            today = local_day(record, zone)
            first = first or today
            due = state.review_at is None or state.review_at <= record
            if last or (due and sweeps[place % len(sweeps)]):
                changes += catch_up(state, rulebook, first_day=first, to_day=today)
        else:
            if first is not None and today is not None:
                changes += catch_up(state, rulebook, first_day=first, to_day=today)
            change = fold(state, as_domain(record, zone), rulebook, today)
            changes += [change] if change else []
        if not state.reviewed and sweeps[(place + 1) % len(sweeps)]:
            review(state, rulebook)
    return changes


@settings(max_examples=400, deadline=None)
@given(logs(), st.lists(st.booleans(), min_size=1, max_size=7))
def test_history_is_the_oracles_however_late_the_sweep_and_however_it_is_batched(
    logged: tuple[Rules, Rulebook, str, Log], sweeps: list[bool]
) -> None:
    rules, rulebook, zone, log = logged
    oracle = OracleClient(rules, zone)
    for record in log:
        if isinstance(record, datetime):
            oracle.watermark(record)
        else:
            oracle.fact(record)
    expected = [
        (c.version, c.from_tier, c.to_tier, c.reason, c.origin, c.effective_at, c.score, c.cause)
        for c in oracle.changes
    ]
    changes = replay(rulebook, zone, log, sweeps)
    assert told(changes) == expected
    assert [c.version for c in changes] == list(range(1, len(changes) + 1))
    assert all(now.from_tier == then.to_tier for then, now in pairwise(changes))
