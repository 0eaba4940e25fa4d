"""What every tier must be, worked out the slow way: no service code, no cleverness, day by day.

It reads a rulebook as the plain dict of its JSON file and does its own calendar arithmetic. Each
answer is found by trying every fact against every rule on every local day, so that the fast code
is compared with something that cannot share its mistakes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
ONE_MICROSECOND = timedelta(microseconds=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Rules = dict[str, Any]


@dataclass(frozen=True)
class OracleFact:
    """One activity of a client, as it stands on the bus."""

    kind: str
    on: date
    count: int = 0
    amount_minor: int = 0
    sequence: int = 0
    occurred_at: datetime = LONG_AGO
    accepted_at: datetime = LONG_AGO
    refers_to: str | None = None
    activity_id: str = ""
    backfill: bool = False
    cause: str = ""
    is_last: bool = True


@dataclass(frozen=True)
class OracleChange:
    """One entry of a client's history; `cause` is the activity's id, None for time."""

    version: int
    from_tier: str | None
    to_tier: str
    reason: str
    origin: str
    effective_at: datetime
    score: int
    cause: str | None


# --- the calendar ---------------------------------------------------------------------------


@cache
def last_day_counted(day: date, period: str) -> date:
    """The last day on which a fact of `day` is within `period`: P1Y, P3M, P2W, P7D or a mixture."""
    amounts = {"Y": 0, "M": 0, "W": 0, "D": 0}
    digits = ""
    for letter in period[1:]:
        if letter.isdigit():
            digits += letter
        else:
            amounts[letter], digits = int(digits), ""
    year, month = day.year + amounts["Y"], day.month
    for _ in range(amounts["M"]):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    for clamped in range(day.day, 0, -1):
        try:
            moved = date(year, month, clamped)
        except ValueError:
            continue
        return moved + ONE_DAY * (7 * amounts["W"] + amounts["D"])
    raise AssertionError("every month has a first day")


def within(day: date, period: str, today: date) -> bool:
    """Whether a fact of `day` counts on `today`."""
    return day <= today <= last_day_counted(day, period)


def local_day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


@cache
def first_instant(day: date, zone: str) -> datetime:
    """The first instant at which the zone's calendar shows `day`, or a later day if it never does.

    Found by looking: every quarter of an hour, then every minute.
    """
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    for step in (timedelta(minutes=15), timedelta(minutes=1)):
        while local_day(instant, zone) < day:
            instant += step
        instant -= step
    return instant + timedelta(minutes=1)


def exists(day: date, zone: str) -> bool:
    """Whether the zone's calendar has that day at all."""
    return local_day(first_instant(day, zone), zone) == day


# --- tiers ----------------------------------------------------------------------------------


def points(rules: Rules, facts: Iterable[OracleFact], today: date, through: date) -> list[Any]:
    """[last completed day, completed, amount, recency, frequency, monetary points] on `today`.

    Only facts of days up to `through` are seen.
    """
    facts = [fact for fact in facts if fact.on <= through]
    completed: dict[date, int] = {}
    for fact in facts:
        if fact.kind == "completed":
            completed[fact.on] = completed.get(fact.on, 0) + fact.count
    last = max((day for day, count in completed.items() if count > 0), default=None)
    window = rules["frequency"]["window"]
    bookings = sum(count for day, count in completed.items() if within(day, window, today))
    amount = 0
    for fact in facts:
        if within(fact.on, rules["monetary"]["window"], today):
            amount += fact.amount_minor if fact.kind == "settled" else 0
            amount -= fact.amount_minor if fact.kind == "refunded" else 0
    recency = [
        level["points"]
        for level in rules["recency"]["levels"]
        if last is not None and within(last, level["within"], today)
    ]
    frequency = [
        level["points"] for level in rules["frequency"]["levels"] if bookings >= level["at_least"]
    ]
    monetary = [
        level["points"]
        for level in rules["monetary"]["levels"]
        if amount >= level["at_least_minor"]
    ]
    best = [max(earned, default=0) for earned in (recency, frequency, monetary)]
    return [last, bookings, amount, *best]


def tier_on(
    rules: Rules, facts: Iterable[OracleFact], today: date, through: date | None = None
) -> tuple[str, int]:
    """(tier, score in hundredths) on a local day, by the facts of days up to `through`."""
    last, _, _, recency, frequency, monetary = points(rules, facts, today, through or today)
    weights = rules["weights"]
    score = (
        weights["recency"] * recency
        + weights["frequency"] * frequency
        + weights["monetary"] * monetary
    )
    if last is None:
        return "prospect", score
    if not any(within(last, level["within"], today) for level in rules["recency"]["levels"]):
        return "iron", score
    for band in rules["bands"]:
        if score >= round(float(band["at_least"]) * 100):
            return band["tier"], score
    raise AssertionError(f"no tier for a score of {score}")


def rank(rules: Rules, tier: str) -> int:
    return [entry["key"] for entry in rules["tiers"]].index(tier)


def direction(rules: Rules, from_tier: str | None, to_tier: str) -> str:
    if from_tier is None:
        return "entered"
    return "upgraded" if rank(rules, to_tier) > rank(rules, from_tier) else "downgraded"


def next_transition(
    rules: Rules, facts: Sequence[OracleFact], today: date, zone: str
) -> tuple[date, datetime, str, str] | None:
    """(day, first instant, from, to) of the first change after `today`, if nothing else happens.

    Steps over every local midnight and the microsecond before it. On a day that has facts already
    it asks without them first.
    """
    end = max([today, *(fact.on for fact in facts)]) + timedelta(days=400)

    @cache
    def at(day: date, through: date) -> str:
        return tier_on(rules, facts, day, through)[0]

    tier = at(today, today)
    day = today
    while day < end:
        day += ONE_DAY
        midnight = first_instant(day, zone)
        before = local_day(midnight - ONE_MICROSECOND, zone)
        day = local_day(midnight, zone)
        assert before < day
        assert at(before, before) == tier
        has_facts = any(fact.on == day for fact in facts)
        for through in (day - ONE_DAY, day) if has_facts else (day,):
            after = at(day, through)
            if after != tier:
                return day, midnight, tier, after
    return None


def explanation(
    rules: Rules, facts: Sequence[OracleFact], today: date
) -> list[tuple[str, str, str, int, date | None]]:
    """(line, input, value, points, until) of the three dimensions, later facts left out."""
    facts = [fact for fact in facts if fact.on <= today]
    last, bookings, amount, *earned = points(rules, facts, today, today)
    dimensions = (
        ("recency", "last_completed_on", "within", last.isoformat() if last else "never"),
        ("frequency", "completed_count", "at_least", str(bookings)),
        ("monetary", "settled_less_refunded_minor", "at_least_minor", str(amount)),
    )
    lines = []
    for place, (name, source, bound, value) in enumerate(dimensions):
        levels = rules[name]["levels"]
        held = [level for level in levels if level["points"] == earned[place]]
        word = "within" if name == "recency" else "at_least"
        none = "beyond" if name == "recency" else "below"
        line = f"{name}.{word}_{held[0][bound]}" if held else f"{name}.{none}_{levels[-1][bound]}"
        until, day = None, today
        while until is None and day < today + timedelta(days=400):
            tomorrow = day + ONE_DAY
            if points(rules, facts, tomorrow, today)[3 + place] != earned[place]:
                until = day
            day = tomorrow
        lines.append((line, source, value, earned[place], until))
    return lines


# --- histories ------------------------------------------------------------------------------


class OracleClient:
    """One client's history from the records of its partition, in their order.

    It looks at the client once all facts of a source event are there, or as many of them as come
    before another source event or a watermark.
    """

    def __init__(self, rules: Rules, zone: str) -> None:
        self.rules, self.zone = rules, zone
        self.facts: list[OracleFact] = []
        self.waiting: list[OracleFact] = []
        self.now: datetime | None = None
        self.today: date | None = None
        self.tier: str | None = None
        self.changes: list[OracleChange] = []

    def watermark(self, up_to: datetime) -> None:
        """Time passes, day by day; the first watermark assesses what is there. One that is not
        later than the last one says nothing."""
        if self.now is not None and up_to <= self.now:
            return
        self._look()
        self.now = up_to
        day = local_day(up_to, self.zone)
        if self.today is None:
            self.today = day
            if self.facts:
                self._move(day, "activity", "backfill", first_instant(day, self.zone))
            return
        while self.today < day:
            self.today += ONE_DAY
            if not exists(self.today, self.zone):
                continue
            midnight = first_instant(self.today, self.zone)
            if self.tier is not None:
                self._move(self.today - ONE_DAY, "elapsed_time", "live", midnight)
                self._move(self.today, "activity", "live", midnight)

    def fact(self, fact: OracleFact) -> None:
        """A fact is counted once, together with the others of its source event."""
        if any(known.sequence == fact.sequence for known in (*self.facts, *self.waiting)):
            return
        if self.waiting and self.waiting[-1].cause != fact.cause:
            self._look()
        self.waiting.append(fact)
        if fact.is_last or self.today is None:
            self._look()

    def _look(self) -> None:
        """Count what waits, and see whether the tier is another one now."""
        counted, self.waiting = self.waiting, []
        self.facts += counted
        if self.today is not None and counted:
            self.see(*told_by(counted))

    def see(self, named: OracleFact, reason: str) -> None:
        """See whether the tier is another one now; the change is told by that fact."""
        assert self.today is not None
        age = named.accepted_at - named.occurred_at
        tomorrow = first_instant(self.today + ONE_DAY, self.zone)
        known_at = min(named.occurred_at, named.accepted_at, tomorrow - ONE_MICROSECOND)
        self._move(
            self.today,
            reason,
            "backfill" if named.backfill or age > timedelta(days=7) else "live",
            max(
                known_at,
                first_instant(self.today, self.zone),
                *(change.effective_at for change in self.changes[-1:]),
            ),
            named.activity_id,
        )

    def _move(
        self,
        through: date,
        reason: str,
        origin: str,
        effective_at: datetime,
        cause: str | None = None,
    ) -> None:
        assert self.today is not None
        tier, score = tier_on(self.rules, self.facts, self.today, through)
        if tier == self.tier:
            return
        version = len(self.changes) + 1
        self.changes.append(
            OracleChange(version, self.tier, tier, reason, origin, effective_at, score, cause)
        )
        self.tier = tier


def told_by(facts: Sequence[OracleFact]) -> tuple[OracleFact, str]:
    """The fact of a source event by which its change is told, and the reason: a correction if a
    visit, payment or refund among them refers to what an earlier source event said."""
    said_now = {fact.activity_id for fact in facts}
    counting = [fact for fact in facts if fact.kind in ("completed", "settled", "refunded")]
    for fact in counting or facts:
        if fact.refers_to and fact.refers_to not in said_now:
            return fact, "correction"
    return (counting or facts)[0], "activity"
