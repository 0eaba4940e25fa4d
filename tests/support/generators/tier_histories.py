"""Random clients that live on the edges: month ends, leap days, clock changes, corrections."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

import scoring_service
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import Fact
from scoring_service.domain.periods import local_day, midnight
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.domain.walk import (
    Change,
    catch_up,
    close_cause,
    ends_cause,
    fold,
    review,
)
from tests.support.oracles.tiers import OracleClient, OracleFact, Rules, exists

Log = list[OracleFact | datetime]
"""A partition's records of one client: facts, and watermarks between them."""
RFM: Rules = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text("utf-8")
)
RULEBOOK = parse_rulebook(RFM)
# Other shapes of window: F and M apart, weeks, a month and a day, recency longer than both.
CROOKED: Rules = {
    **RFM,
    "weights": {"recency": 20, "frequency": 50, "monetary": 30},
    "recency": {
        "levels": [
            {"within": "P2W", "points": 90},
            {"within": "P1M1D", "points": 70},
            {"within": "P7M", "points": 15},
        ]
    },
    "frequency": {
        "window": "P3M",
        "levels": [{"at_least": 4, "points": 99}, {"at_least": 2, "points": 33}],
    },
    "monetary": {"window": "P100D", "levels": [{"at_least_minor": 5000, "points": 100}]},
    "bands": [
        {"tier": "gold", "at_least": "62.50"},
        {"tier": "silver", "at_least": 31},
        {"tier": "bronze", "at_least": 0},
    ],
}
BOOKS: tuple[tuple[Rules, Rulebook], ...] = ((RFM, RULEBOOK), (CROOKED, parse_rulebook(CROOKED)))

# A zone, and days of it on which something is odd.
ODD_DAYS = {
    "Asia/Shanghai": (date(2024, 2, 29), date(2023, 12, 31), date(2025, 2, 28)),
    "Europe/London": (date(2026, 3, 29), date(2026, 10, 25), date(2024, 2, 29)),
    "America/Sao_Paulo": (date(2017, 10, 15), date(2018, 2, 18), date(2018, 11, 4)),
    "Africa/Cairo": (date(2014, 5, 16), date(2023, 4, 28), date(2014, 8, 1)),
    "Pacific/Apia": (date(2011, 12, 30), date(2011, 12, 31), date(2012, 2, 29)),
}
EDGES = (0, 1, 2, 27, 28, 29, 30, 31, 32, 33, 61, 89, 90, 91, 92, 93, 99, 100, 101)
EDGES += (180, 181, 182, 183, 184, 213, 364, 365, 366, 367, 400)
KINDS = ("completed", "completed", "completed", "settled", "settled", "refunded", "no_show")


def ages(least: int) -> st.SearchStrategy[int]:
    """How many days before today, mostly near where a window ends; negative is yet to come."""
    return st.one_of(st.sampled_from(EDGES), st.integers(least, 800))


@st.composite
def places(draw: st.DrawFn) -> tuple[str, date]:
    """A zone and a day that it has, within a year and a bit after an odd one."""
    zone = draw(st.sampled_from(sorted(ODD_DAYS)))
    odd = draw(st.sampled_from(ODD_DAYS[zone]))
    day = odd + timedelta(days=draw(st.one_of(st.integers(-3, 3), st.integers(-400, 40))))
    return zone, day if exists(day, zone) else day + timedelta(days=1)


@st.composite
def facts(draw: st.DrawFn, zone: str, today: date, *, future: int = 0) -> OracleFact:
    """One fact around `today`, up to `future` days after it; now and then a correction."""
    on = today - timedelta(days=draw(ages(-future)))
    if not exists(on, zone):
        on += timedelta(days=1)
    kind = draw(st.sampled_from(KINDS))
    sign = draw(st.sampled_from((1, 1, 1, 1, -1)))
    amount = draw(st.sampled_from((1, 999, 1000, 1999, 2000, 3000, 4999, 5000, 9999, 10000, 20000)))
    return OracleFact(kind, on, sign * draw(st.integers(1, 2)), sign * amount)


@st.composite
def situations(
    draw: st.DrawFn, *, future: int = 0
) -> tuple[Rules, Rulebook, str, date, list[OracleFact]]:
    """Rules (as data and as parsed), a zone, a day of it, and a client's facts."""
    rules, rulebook = draw(st.sampled_from(BOOKS))
    zone, today = draw(places())
    known = draw(st.lists(facts(zone, today, future=future), max_size=12))
    return rules, rulebook, zone, today, known


def digest_of(known: list[OracleFact]) -> Digest:
    """The digest of those facts."""
    digest = Digest()
    for fact in known:
        digest.add(fact.kind, fact.on, fact.count, fact.amount_minor)
    return digest


def noon(day: date) -> datetime:
    """The middle of the UTC day."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def rows_of(changes: Sequence[Change]) -> list[tuple[object, ...]]:
    """The fields of each change that the oracle computes too."""
    return [
        (
            c.version,
            c.from_tier,
            c.to_tier,
            c.reason,
            c.origin,
            c.effective_at,
            c.score,
            c.activity_id,
        )
        for c in changes
    ]


def oracle_rows(oracle: OracleClient) -> list[tuple[object, ...]]:
    """The oracle's changes, in the form of `rows_of`."""
    return [
        (c.version, c.from_tier, c.to_tier, c.reason, c.origin, c.effective_at, c.score, c.cause)
        for c in oracle.changes
    ]


@st.composite
def logs(draw: st.DrawFn) -> tuple[Rules, Rulebook, str, Log]:
    """A partition's records of one client: facts, corrections, late ones, twice, dated ahead,
    several of one source event, and watermarks."""
    rules, rulebook = draw(st.sampled_from(BOOKS))
    zone, day = draw(places())
    clock = midnight(day, zone) + timedelta(hours=draw(st.integers(0, 30)))
    log: Log = []
    cause, goes_on = "e0", False
    for sequence in range(1, draw(st.integers(1, 12)) + 1):
        if draw(st.booleans()):
            clock += timedelta(hours=draw(st.sampled_from((1, 12, 24, 25, 24 * 31, 24 * 200))))
            log.append(clock)
        base = draw(facts(zone, local_day(clock, zone), future=2))
        age = draw(st.sampled_from((0, 0, 3600, 86_400, 8 * 86_400, -3600, -32 * 3600)))
        cause = cause if goes_on and draw(st.integers(0, 3)) else f"e{sequence}"
        goes_on = draw(st.sampled_from((False, False, True)))
        earlier = st.sampled_from((None, None, "act-0", f"act-{sequence - 1}"))
        log.append(
            OracleFact(
                base.kind,
                base.on,
                base.count,
                base.amount_minor,
                sequence,
                occurred_at=clock - timedelta(seconds=age),
                accepted_at=clock,
                refers_to=draw(earlier),
                activity_id=f"act-{sequence}",
                backfill=draw(st.sampled_from((False, False, False, True))),
                cause=cause,
                is_last=not goes_on,
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
    """The same fact in the domain's words."""
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
        backfill=record.backfill,
        source="desk",
        cause_id=record.cause,
        is_last_of_cause=record.is_last,
    )


def _closed(state: ClientState, rulebook: Rulebook) -> list[Change]:
    change = close_cause(state, rulebook)
    return [change] if change else []


def _folded(state: ClientState, fact: Fact, rulebook: Rulebook, today: date | None) -> list[Change]:
    """What a fact changes, and the source event before it where that had not ended."""
    closed = _closed(state, rulebook) if ends_cause(state, fact) else []
    change = fold(state, fact, rulebook, today)
    return [*closed, change] if change else closed


def replay(rulebook: Rulebook, zone: str, log: Log, sweeps: list[bool]) -> list[Change]:
    """The log through the domain: every fact after `catch_up`, with the sweeps of `sweeps`."""
    state = ClientState("harbour", "mirabel", 0, zone)
    changes: list[Change] = []
    first: date | None = None
    today: date | None = None
    now = datetime.min.replace(tzinfo=UTC)
    for place, record in enumerate(log):
        last = place == len(log) - 1
        if isinstance(record, datetime):
            changes += _closed(state, rulebook) if record > now else []
            now, today = record, local_day(record, zone)
            first = first or today
            due = state.review_at is None or state.review_at <= record
            if last or (due and sweeps[place % len(sweeps)]):
                changes += catch_up(state, rulebook, first_day=first, to_day=today)
        else:
            if first is not None and today is not None:
                changes += catch_up(state, rulebook, first_day=first, to_day=today)
            fact = as_domain(record, zone)
            changes += _folded(state, fact, rulebook, today)
        if not state.reviewed and sweeps[(place + 1) % len(sweeps)]:
            review(state, rulebook)
    return changes


def judged(rules: Rules, zone: str, log: Log) -> OracleClient:
    """The oracle, once it has seen the log."""
    oracle = OracleClient(rules, zone)
    for record in log:
        if isinstance(record, datetime):
            oracle.watermark(record)
        else:
            oracle.fact(record)
    return oracle
