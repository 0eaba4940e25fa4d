"""Random clients that live on the edges: month ends, leap days, clock changes, corrections."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

import scoring_service
from scoring_service.domain.digest import Digest
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.domain.walk import Change
from tests.support.oracle_tiers import OracleFact, Rules, exists

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


def told(changes: Sequence[Change]) -> list[tuple[object, ...]]:
    """What the oracle tells of a change, too."""
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
