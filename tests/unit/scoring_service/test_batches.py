"""One log, read in batches of any sizes by workers that come and go: the same history."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rapport_contracts import canonical, codec, topics
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from scoring_service import translate
from scoring_service.ports import ChangeRow, ClientKey
from tests.support.generators.tier_histories import RFM, RULEBOOK, judged, noon, oracle_rows
from tests.support.memory.scoring import MemoryStores
from tests.support.oracles.tiers import OracleFact, local_day
from tests.support.worlds.arrivals import read_in_batches

ACTIVITY = TopicPartition(topics.CLIENT_ACTIVITY.name, 0)
ZONE = "Europe/London"
CLIENTS = ("ada", "ben")
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
Record = tuple[str, OracleFact] | datetime
"""A client's fact, or a watermark."""


@st.composite
def partitions(draw: st.DrawFn) -> list[Record]:
    """A partition's records: causes of one to three facts, some without their end, watermarks
    between them and also within them, and the last one long after."""
    log: list[Record] = [START] if draw(st.integers(0, 4)) else []
    clock, sequences = START, dict.fromkeys(CLIENTS, 0)
    for number in range(draw(st.integers(1, 7))):
        client, length = draw(st.sampled_from(CLIENTS)), draw(st.integers(1, 3))
        is_cut = draw(st.integers(0, 4)) == 0
        for place in range(length):
            if draw(st.integers(0, 2)) == 0:
                clock += timedelta(hours=draw(st.sampled_from((0, 1, 1, 13, 24 * 100))))
                log.append(clock)
            sequences[client] += 1
            fact = OracleFact(
                kind=draw(st.sampled_from(("completed", "settled", "refunded", "booked"))),
                on=local_day(clock, ZONE) - timedelta(days=draw(st.sampled_from((0, 0, 1, 89)))),
                count=draw(st.sampled_from((1, 1, -1))),
                amount_minor=draw(st.sampled_from((20_000, 1_000, -20_000))),
                sequence=sequences[client],
                occurred_at=clock - timedelta(hours=draw(st.sampled_from((0, 0, 3, -30)))),
                accepted_at=clock,
                refers_to=draw(st.sampled_from((None, None, "a0"))),
                activity_id=f"{client}-{sequences[client]}",
                cause=f"e{number}",
                is_last=place == length - 1 and not is_cut,
            )
            log.append((client, fact))
            if draw(st.integers(0, 5)) == 0:
                log.append(draw(st.sampled_from([r for r in log if not isinstance(r, datetime)])))
    return [*log, clock + timedelta(days=draw(st.sampled_from((1, 400))))]


def event_of(record: Record) -> canonical.CanonicalEvent:
    """The record as it is on the bus."""
    if isinstance(record, datetime):
        mark = canonical.Watermark(up_to=record)
        return canonical.WatermarkAdvanced(id="w", source="test", time=record, data=mark)
    client, fact = record
    data = canonical.Activity(
        client_id=client,
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
    )
    return canonical.ActivityRecorded(
        id=fact.activity_id,
        source="test",
        time=fact.accepted_at,
        practiceid="harbour",
        data=data,
    )


def read(log: Sequence[Record], sizes: Sequence[int], sweeps: Sequence[bool]) -> MemoryStores:
    """The stores after the log was read in batches of these sizes."""
    bus = MemoryBus()
    bus.create(topics.CLIENT_ACTIVITY.name, 1)
    for record in log:
        bus.append(ACTIVITY.topic, 0, b"key", codec.encode(event_of(record)))
    stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
    read_in_batches(bus, ACTIVITY, stores, sizes, sweeps)
    return stores


def history(stores: MemoryStores, client: str) -> list[tuple[object, ...]]:
    """A client's changes, in the oracle's form."""
    return [_row(line) for line in stores.rows.history.get(ClientKey("harbour", client), [])]


def _row(line: ChangeRow) -> tuple[object, ...]:
    told = (line.reason, line.origin, line.effective_at, line.score, line.activity_id)
    return (line.version, line.from_tier, line.to_tier, *told)


def told(log: Sequence[Record], client: str) -> list[tuple[object, ...]]:
    """The history that the oracle tells of the client."""
    records = [r if isinstance(r, datetime) else r[1] for r in log if _concerns(r, client)]
    return oracle_rows(judged(RFM, ZONE, records))


def _concerns(record: Record, client: str) -> bool:
    return isinstance(record, datetime) or record[0] == client


def open_payment(sequence: int = 2, *, is_last: bool = False) -> Record:
    """A payment at START of which its source event has more to come."""
    at = {"occurred_at": START, "accepted_at": START}
    fact = OracleFact("settled", START.date(), 1, 20_000, sequence, **at)
    return "ada", _named(fact, is_last=is_last)


def refund(sequence: int = 3) -> Record:
    """The rest of that source event."""
    at = {"occurred_at": START, "accepted_at": START}
    fact = OracleFact("refunded", START.date(), 1, 20_000, sequence, **at, refers_to="act-2")
    return "ada", _named(fact, is_last=True)


def visit() -> Record:
    at = {"occurred_at": START, "accepted_at": START}
    fact = OracleFact("completed", START.date(), 1, 0, 1, **at)
    return "ada", _named(fact, is_last=True, cause="visit")


def _named(fact: OracleFact, *, is_last: bool, cause: str = "paid") -> OracleFact:
    fields = fact.__dict__ | {"activity_id": f"act-{fact.sequence}"}
    return OracleFact(**fields | {"cause": cause, "is_last": is_last})


HOUR = timedelta(hours=1)
AGAIN: list[Record] = [START, visit(), open_payment(), visit(), START + HOUR, refund()]
BEHIND_A_WATERMARK: list[Record] = [START, visit(), START + HOUR, open_payment(), refund()]
SPLIT: list[Record] = [START, visit(), open_payment(), refund(), START + HOUR]
LEFT_OPEN: list[Record] = [START, visit(), open_payment(), START + HOUR, refund(), START + 2 * HOUR]


@settings(max_examples=80)
@given(
    partitions(),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=5),
)
@example(SPLIT, [2], [True])
@example(SPLIT, [1], [False])
@example(LEFT_OPEN, [2], [True])
@example(LEFT_OPEN, [3], [False])
@example(LEFT_OPEN, [1], [False])
@example(LEFT_OPEN, [9], [False])
@example([*AGAIN, START + 2 * HOUR], [1, 2, 9], [True])
@example([*BEHIND_A_WATERMARK, START + 2 * HOUR], [1, 3, 9], [True])
def test_a_history_is_the_oracles_in_batches_of_any_sizes(
    log: list[Record], sizes: list[int], sweeps: list[bool]
) -> None:
    stores = read(log, sizes, sweeps)
    for client in CLIENTS:
        assert history(stores, client) == told(log, client)
    assert all(state.open_cause is None for state in stores.rows.clients.values())


def test_a_cause_that_is_split_over_two_batches_is_assessed_once() -> None:
    for sizes in ([9], [2], [1]):
        tiers = [row[2] for row in history(read(SPLIT, sizes, [True]), "ada")]
        assert tiers == ["bronze"]


def test_a_cause_that_is_left_open_is_closed_by_the_next_watermark() -> None:
    for sizes in ([9], [3], [2], [1]):
        tiers = [row[2] for row in history(read(LEFT_OPEN, sizes, [True]), "ada")]
        assert tiers == ["bronze", "gold", "bronze"]


def test_who_has_a_cause_open_answers_as_before_it_and_is_swept_once() -> None:
    stores = read(SPLIT[:3], [9], [True])
    state = stores.rows.clients[ClientKey("harbour", "ada")]
    assert (state.digest.settled, state.review_at) == ([0], START + timedelta(microseconds=1))
    stores = read([*SPLIT[:3], START + HOUR], [9], [True])
    state = stores.rows.clients[ClientKey("harbour", "ada")]
    assert (state.digest.settled, state.open_cause) == ([20_000], None)
    assert state.review_at is not None
    assert state.review_at > noon(START.date()) + timedelta(days=1)
