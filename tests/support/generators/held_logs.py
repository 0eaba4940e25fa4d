"""One partition's log of several practices, told twice: as if nobody waited, and with the records
of one practice held back for a while, as ingestion defers them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from rapport_contracts import canonical, codec
from scoring_service.ports import ClientKey
from tests.support.generators.tier_histories import RFM, judged, oracle_rows
from tests.support.oracles.tiers import OracleFact, local_day

ZONE = "Europe/London"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HELD = "harbour"
ADA, BEN = ClientKey(HELD, "ada"), ClientKey(HELD, "ben")
QUIET = ClientKey("quay", "cy")
CLIENTS = (ADA, BEN, ClientKey("quay", "ada"), QUIET)


class Marker(NamedTuple):
    """`HELD` stands at `since`, or is held no more."""

    since: datetime
    is_held: bool
    hold_id: str = "hold-1"
    incarnation: str | None = None
    reason: str = "deferred"
    source: str | None = None


class Told(NamedTuple):
    """A client's fact."""

    client: ClientKey
    fact: OracleFact


Record = Told | Marker | datetime
"""What a record says; an instant is a watermark."""


class Arrival(NamedTuple):
    """The facts of one source event, accepted at one instant."""

    client: ClientKey
    at: datetime
    facts: tuple[OracleFact, ...]

    def told(self) -> list[Record]:
        return [Told(self.client, fact) for fact in self.facts]


@dataclass
class Step:
    """A watermark, then what arrives at that instant. With each arrival of `HELD`: whether the
    practice is deferred with it, if it is not already. At the end so many that waited are read."""

    at: datetime
    arrivals: list[Arrival] = field(default_factory=list)
    defers: list[bool] = field(default_factory=list)
    drained: int = 0


@dataclass
class HeldLog:
    """Both tellings. `is_first_said`: whether the first watermark is there, or the first step's
    facts come before the partition has any. `moves_daily`: the practice moves on when another local
    day begins, else with each instant."""

    steps: list[Step]
    is_first_said: bool = True
    moves_daily: bool = False

    def plain(self) -> list[Record]:
        """As if nobody waited, with one exception.

        Ingestion accepts what waited at the instant at which the practice stands (ADR 35). Where
        that is before the first watermark, it counts in the first assessment, though it came after
        that watermark: so it is told before it.
        """
        early = self._queue().early
        log: list[Record] = []
        for number, step in enumerate(self.steps):
            if number == 1:
                log += [record for arrival in early for record in arrival.told()]
            log += [step.at] if number or self.is_first_said else []
            for arrival in step.arrivals:
                log += [] if arrival in early else arrival.told()
        return [*log, self.steps[-1].at + HOUR]

    def held(self) -> list[Record]:
        """With holds."""
        return [*self._queue().log, self.steps[-1].at + HOUR]

    def _queue(self) -> "_Queue":
        """The queue of `HELD` after the last step, when nothing waits any more."""
        first_watermark = self.steps[0 if self.is_first_said else 1].at
        queue = _Queue(first_watermark, moves_daily=self.moves_daily)
        for number, step in enumerate(self.steps):
            queue.log += [step.at] if number or self.is_first_said else []
            for arrival, defers in zip(step.arrivals, step.defers, strict=True):
                if arrival.client.practice_id == HELD and (queue.waiting or defers):
                    queue.put(arrival)
                else:
                    queue.log += arrival.told()
            queue.drain(step.drained, step.at)
        queue.drain(len(queue.waiting), self.steps[-1].at)
        return queue

    def history(self, client: ClientKey) -> list[tuple[object, ...]]:
        """The client's changes by the oracle, which knows of no holds."""
        facts = [r for r in self.plain() if isinstance(r, datetime) or _is_of(r, client)]
        records = [r.fact if isinstance(r, Told) else r for r in facts]
        return oracle_rows(judged(RFM, ZONE, records))  # type: ignore[arg-type]  # no markers


class _Queue:
    """What waits of `HELD`, and the log of the telling with holds. `early` came after the first
    watermark, and was accepted while the practice stood before it."""

    def __init__(self, first_watermark: datetime, *, moves_daily: bool) -> None:
        self.log: list[Record] = []
        self.waiting: list[Arrival] = []
        self.early: list[Arrival] = []
        self._first_watermark = first_watermark
        self._moves_daily = moves_daily
        self._stands_at = START
        self._holds = 0

    def put(self, arrival: Arrival) -> None:
        if not self.waiting:
            self._holds += 1
            self._say(arrival.at)
        self.waiting.append(arrival)

    def drain(self, count: int, now: datetime) -> None:
        for arrival in self.waiting[:count]:
            if arrival.at > self._stands_at and not self._is_same_day(arrival.at):
                self._say(arrival.at)
            if self._stands_at < self._first_watermark <= arrival.at:
                self.early.append(arrival)
            self.log += arrival.told()
        is_end = 0 < len(self.waiting) <= count
        self.waiting = self.waiting[count:]
        if is_end:
            self.log.append(Marker(now, is_held=False, hold_id=f"hold-{self._holds}"))

    def _is_same_day(self, at: datetime) -> bool:
        return self._moves_daily and local_day(at, ZONE) == local_day(self._stands_at, ZONE)

    def _say(self, since: datetime) -> None:
        self._stands_at = since
        self.log.append(Marker(since, is_held=True, hold_id=f"hold-{self._holds}"))


def _is_of(record: Record, client: ClientKey) -> bool:
    return isinstance(record, Told) and record.client == client


@st.composite
def held_logs(draw: st.DrawFn) -> HeldLog:
    """Clients of two practices, of whom one floods; months pass while it waits."""
    steps: list[Step] = []
    clock, number = START, 0
    sequences = dict.fromkeys(CLIENTS, 0)
    for _ in range(draw(st.integers(1, 6))):
        step = Step(clock, drained=draw(st.sampled_from((0, 0, 1, 2, 9))))
        for _ in range(draw(st.integers(0, 4))):
            number += 1
            client = draw(st.sampled_from((*CLIENTS, *CLIENTS[:2])))
            step.arrivals.append(draw(_arrival(client, clock, number, sequences[client])))
            step.defers.append(draw(st.booleans()))
            sequences[client] += len(step.arrivals[-1].facts)
        steps.append(step)
        clock += draw(st.sampled_from((HOUR, 13 * HOUR, DAY, 40 * DAY, 91 * DAY, 400 * DAY)))
    return HeldLog(
        [*steps, Step(clock)],
        is_first_said=draw(st.integers(0, 3)) > 0,
        moves_daily=draw(st.booleans()),
    )


@st.composite
def _arrival(
    draw: st.DrawFn, client: ClientKey, at: datetime, number: int, sequence: int
) -> Arrival:
    length = draw(st.sampled_from((1, 1, 2)))
    is_cut = draw(st.integers(0, 4)) == 0
    facts = tuple(
        OracleFact(
            kind=draw(st.sampled_from(("completed", "settled", "refunded"))),
            on=local_day(at, ZONE) - timedelta(days=draw(st.sampled_from((0, 0, 1, 89)))),
            count=draw(st.sampled_from((1, 1, -1))),
            amount_minor=draw(st.sampled_from((20_000, 1_000, -20_000))),
            sequence=sequence + place,
            occurred_at=at - timedelta(hours=draw(st.sampled_from((0, 0, 3, -30)))),
            accepted_at=at,
            refers_to=draw(st.sampled_from((None, None, "a0"))),
            activity_id=f"{client.practice_id}-{client.client_id}-{sequence + place}",
            cause=f"e{number}",
            is_last=place == length and not is_cut,
        )
        for place in range(1, length + 1)
    )
    return Arrival(client, at, facts)


def visit(client: ClientKey, at: datetime, sequence: int = 1, amount: int = 0) -> Arrival:
    """A visit, or a payment, whole."""
    kind = "settled" if amount else "completed"
    day, name = local_day(at, ZONE), f"{client.practice_id}-{client.client_id}-{sequence}"
    fact = OracleFact(kind, day, 1, amount, sequence, at, at, activity_id=name, cause=name)
    return Arrival(client, at, (fact,))


def encoded(log: Sequence[Record]) -> list[bytes]:
    """The records as they are on the bus."""
    return [codec.encode(_event(record)) for record in log]


def _event(record: Record) -> canonical.CanonicalEvent:
    if isinstance(record, datetime):
        mark = canonical.Watermark(up_to=record)
        return canonical.WatermarkAdvanced(id="w", source="test", time=record, data=mark)
    if isinstance(record, Marker):
        # A hold of an import is as one of what was deferred, so each of these has one or the other.
        is_import = record.reason == "deferred" and sum(record.hold_id.encode()) % 2 == 1
        reason = "import" if is_import else record.reason
        hold = canonical.Hold(
            hold_id=record.hold_id,
            reason=reason,
            source=record.source,
            held=record.is_held,
            since=record.since,
        )
        return canonical.HoldChanged(
            id=f"{record.hold_id}/{record.since.isoformat()}/{record.is_held}",
            source="test",
            time=record.since,
            practiceid=HELD,
            incarnation=record.incarnation,
            data=hold,
        )
    client, fact = record
    data = canonical.Activity(
        client_id=client.client_id,
        generation=1,
        sequence=fact.sequence,
        kind=fact.kind,
        on=fact.on,
        zone=ZONE,
        count=fact.count,
        amount_minor=fact.amount_minor,
        occurred_at=fact.occurred_at,
        accepted_at=fact.accepted_at,
        refers_to=fact.refers_to,
        source="desk",
        cause_id=fact.cause,
        last_of_cause=fact.is_last,
        backfill=fact.backfill,
    )
    return canonical.ActivityRecorded(
        id=fact.activity_id,
        source="test",
        time=fact.accepted_at,
        practiceid=client.practice_id,
        data=data,
    )


YEAR = 400 * DAY
"""Long enough for every tier to fall by time."""


def flood() -> HeldLog:
    """What waited since START is read 400 days later, and then a visit of that day."""
    at, later = START + HOUR, START + YEAR
    return HeldLog(
        [
            Step(START, [visit(ADA, START, 1), visit(ADA, START, 2, 30_000)], [False, False]),
            Step(at, [visit(ADA, at, 3), visit(QUIET, at)], [True, False]),
            Step(later, drained=1),
            Step(later + HOUR, [visit(ADA, later + HOUR, 4)], [False]),
        ]
    )


def flood_before_first_watermark() -> HeldLog:
    """What waits since before the first watermark is read on the same day, after it: the practice
    does not move, so the visits of the later hour are accepted before that watermark too."""
    later = START + HOUR
    visits = [visit(ADA, START, number) for number in (1, 2, 3, 4)]
    return HeldLog(
        [
            Step(START, visits, [False, False, False, True]),
            Step(later, [visit(ADA, later, 5), visit(ADA, later, 6)], [False, False]),
            Step(later + HOUR),
        ],
        is_first_said=False,
        moves_daily=True,
    )


def long_flood() -> HeldLog:
    """A partition whose first watermark comes when the practice waits already; what waits is read
    piece by piece, over months, and the practice waits once more."""
    instants = [START + days * DAY for days in (0, 1, 40, 91, 300, 700, 1100)]
    first, second, third, fourth, fifth, sixth, seventh = instants
    return HeldLog(
        [
            Step(first, [visit(ADA, first, 1), visit(QUIET, first)], [True, False]),
            Step(second, [visit(ADA, second, 2, 30_000), visit(BEN, second)], [False, False]),
            Step(third, [visit(ADA, third, 3)], [False], drained=1),
            Step(fourth, [visit(QUIET, fourth, 2)], [False], drained=1),
            Step(fifth, drained=9),
            Step(sixth, [visit(BEN, sixth, 2), visit(ADA, sixth, 4)], [True, False]),
            Step(seventh, drained=9),
        ],
        is_first_said=False,
    )
