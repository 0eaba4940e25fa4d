"""Steps of scoring's use cases on stores in memory: facts arrive, time passes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from rapport_contracts import canonical, codec
from scoring_service.domain.facts import ClientRecord, Fact
from scoring_service.handlers import Folded, PartitionFacts, fold_facts, sweep
from scoring_service.ports import ClientKey
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores

ZONE = "Europe/London"
DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA, BEN = ClientKey("harbour", "ada"), ClientKey("harbour", "ben")
A_YEAR = timedelta(days=365)


def visit(sequence: int = 1, at: datetime = NOON, **more: object) -> Fact:
    """A completed booking at `at`, known at once."""
    values: dict[str, object] = {
        "activity_id": f"act-{sequence}",
        "generation": 1,
        "kind": "completed",
        "on": at.date(),
        "zone": ZONE,
        "count": 1,
        "amount_minor": 0,
        "occurred_at": at,
        "accepted_at": at,
    }
    return Fact(sequence=sequence, **values | more)  # type: ignore[arg-type]  # by name


def arrive(
    stores: MemoryStores,
    *facts: ClientRecord,
    client: ClientKey = ADA,
    now: datetime | None = NOON,
    partition: int = 0,
) -> Folded:
    """One batch: a client's facts, while the partition's business time is `now`."""
    with stores.open() as store:
        batch = [PartitionFacts(partition, now, {client: facts})]
        return fold_facts(store.clients, RULEBOOK, batch)


def pass_time(stores: MemoryStores, up_to: datetime, partitions: Sequence[int] = (0,)) -> int:
    """Bring partitions to an instant and sweep them; how many steps that took."""
    for partition in partitions:
        stores.rows.processed[partition] = up_to
    steps, is_done = 0, False
    while not is_done:
        with stores.open() as store:
            is_done = sweep(store, RULEBOOK, partitions).is_done
        steps += 1
    return steps


def changes(stores: MemoryStores) -> Iterator[canonical.TierChange]:
    """The events in the outbox."""
    for row in stores.rows.outbox:
        event = codec.decode(row.topic, row.key, row.value)
        assert isinstance(event, canonical.TierChanged)
        yield event.data


def recorded(stores: MemoryStores) -> list[tuple[str, int, str | None, str, str]]:
    """Client, version, tiers and reason of each change."""
    return [(c.client_id, c.version, c.from_tier, c.to_tier, c.reason) for c in changes(stores)]
