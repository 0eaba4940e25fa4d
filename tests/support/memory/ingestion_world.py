"""Practices, facts and stores of ingestion that its store suite and its tests share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from ingestion_service.domain.activities import (
    NO_CAUSE,
    Activity,
    ActivityKind,
    ActivityOwner,
    Delta,
    activity_id,
    caused,
)
from ingestion_service.domain.facts import (
    IdentityKey,
    SourceFact,
    SourceKind,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import advance_clock, register_practice
from ingestion_service.ports import (
    Hold,
    LedgerEntry,
    Opening,
    Reads,
    Store,
    Stores,
)
from tests.support.memory.ingestion import NOON, MemoryReads, MemoryStores

LAKESIDE = Practice("lakeside", "Lakeside", "Asia/Shanghai", "CNY", undeclared_sources="accept")
HARBOUR = Practice(
    "harbour", "Harbour", "Europe/London", "GBP", "GB", "The Harbour", undeclared_sources="accept"
)
WANG_FANG = IdentityKey(LAKESIDE.practice_id, "desk", "wang-fang")
LI_NA = IdentityKey(LAKESIDE.practice_id, "desk", "li-na")
CODES = (("counsellor_id", "c-07"), ("site", "east"))
_WITH_AMOUNT = {"settled", "refunded", "refunded_total", "charged_back"}
_PAYMENT_KINDS = _WITH_AMOUNT | {"failed", "refund_failed", "chargeback_reversed"}


class Published(NamedTuple):
    """An activity in the outbox."""

    activity_id: str
    kind: str
    on: date
    number: int
    amount_minor: int
    sequence: int
    accepted_at: datetime
    refers_to: str | None
    object_id: str | None
    source: str | None
    cause_id: str | None
    last_of_cause: bool
    backfill: bool
    attributes: dict[str, Any]
    cancelled_by: str | None

    @staticmethod
    def of(activity: Activity) -> "Published":
        """The same of the domain's activity."""
        delta, cause = activity.delta, activity.cause or NO_CAUSE
        return Published(
            delta.activity_id,
            delta.kind,
            delta.on,
            delta.number,
            delta.amount_minor,
            activity.sequence,
            activity.accepted_at,
            delta.refers_to,
            cause.object_id,
            cause.source,
            cause.event_id,
            activity.is_last_of_cause,
            cause.backfill,
            dict(delta.attributes),
            delta.cancelled_by,
        )


class Said(NamedTuple):
    """A record of a client in the outbox: an activity by its sequence, or an opening, which says
    how many facts follow."""

    client_id: str
    generation: int
    sequence: int | None
    activity_id: str | None
    facts: int | None

    @staticmethod
    def of(record: Activity | Opening) -> "Said":
        """The same of the domain's."""
        client_id, generation = record.owner.client_id, record.owner.generation
        if isinstance(record, Opening):
            return Said(client_id, generation, None, None, record.facts)
        return Said(client_id, generation, record.sequence, record.delta.activity_id, None)


@dataclass(frozen=True)
class StoreWorld:
    """An empty database with a simulated clock that is not set yet.

    `stores` are the API's. `worker` opens a transaction that sees every practice, as a worker's.
    `holds` are those in the outbox, each once; `restore` gives the database another incarnation.
    """

    stores: Stores
    reads: Reads
    worker: Callable[[], AbstractContextManager[Store]]
    published: Callable[[], list[Published]]
    announced: Callable[[], int]
    holds: Callable[[], list[Hold]]
    restore: Callable[[], None]
    facts: Callable[[], list[SourceFact]]
    """What the ledger keeps of them, in the order of acceptance."""
    said: Callable[[], list[Said]]
    """What is in the outbox of clients, in its order."""
    workers: Stores
    """A worker's, which see every practice."""
    care: Callable[[], list[tuple[str, int, str, dict[str, Any]]]]
    """What is in the outbox of care: the kind, the sequence, the source's event and the codes."""
    held: Callable[[], str]
    """Everything that the tables hold and that is not sealed, as text."""


def memory_world(stores: MemoryStores) -> StoreWorld:
    """The world of a store in memory."""

    @contextmanager
    def worker() -> Iterator[Store]:
        with stores.transaction() as tables:
            yield stores.within(tables)

    def restore() -> None:
        stores.tables.queues.incarnation += 1

    return StoreWorld(
        stores,
        MemoryReads(stores),
        worker,
        lambda: [Published.of(activity) for activity in stores.tables.published],
        lambda: len(stores.tables.announced),
        lambda: [hold for _, hold in stores.tables.queues.holds],
        restore,
        lambda: [entry.fact for entry in stores.tables.ledger.values()],
        lambda: [Said.of(each) for each in stores.tables.said],
        stores,
        lambda: [
            (each.kind, each.sequence, each.event_id, dict(each.attributes))
            for each in stores.tables.care
        ],
        lambda: repr(replace(stores.tables, undeclared=[], queues=None)),
    )


def fact(kind: SourceKind, event_id: str, /, **changes: Any) -> SourceFact:
    """A fact of Wang Fang at Lakeside about `s1`, a day before noon unless `changes` differ; its
    namespace is its source."""
    is_payment = kind in _PAYMENT_KINDS
    has_amount = kind in _WITH_AMOUNT
    known = SourceFact(
        practice_id=LAKESIDE.practice_id,
        source="desk",
        event_id=event_id,
        namespace=changes.get("source", "desk"),
        external_id="wang-fang",
        object_kind="payment" if is_payment else "booking",
        external_object_id="s1",
        kind=kind,
        occurred_at=NOON - timedelta(days=1),
        starts_at=NOON + timedelta(days=2) if kind in {"created", "rescheduled"} else None,
        amount_minor=5000 if has_amount else None,
        currency="CNY" if has_amount else None,
    )
    return known._replace(**changes)


def append(store: Store, *entries: tuple[SourceFact, Sequence[Delta]]) -> list[Activity]:
    """Put facts with their deltas into the ledger, numbered through, and give the activities that
    they are: as if all were published to Wang Fang."""
    objects = store.lock_objects({fact.object_key: fact.identity for fact, _ in entries})
    whose = store.lock_clients({WANG_FANG}, NOON)[WANG_FANG].client_id
    owner = ActivityOwner(LAKESIDE.practice_id, whose, 1, LAKESIDE.zone, LAKESIDE.currency)
    rows: list[LedgerEntry] = []
    activities: list[Activity] = []
    for fact, deltas in entries:
        object_id, first = objects[fact.object_key].object_id, len(activities) + 1
        rows.append(LedgerEntry(fact, fact.content_hash, object_id, whose, NOON, first, deltas))
        activities += caused(fact, object_id, owner, deltas, first, NOON)
    store.append(rows)
    return activities


def delta(event_id: str, ordinal: int, kind: ActivityKind, /, **changes: Any) -> Delta:
    """A delta of an event of the desk: a count of one on one day, unless `changes` differ."""
    identity = activity_id(LAKESIDE.practice_id, "desk", event_id, ordinal)
    return Delta(identity, kind, date(2024, 5, 31), None, (), 1, 0, None)._replace(**changes)


class PracticeSuite:
    """A suite whose tests begin with a practice. Inherit it where a fixture `world` gives a
    `StoreWorld`."""

    @pytest.fixture
    def stores(self, world: StoreWorld) -> Stores:
        """The world's stores with a practice, and the clock at noon."""
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            advance_clock(NOON, store)
        return world.stores
