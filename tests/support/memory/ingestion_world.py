"""Practices, facts and stores of ingestion that its store suite and its tests share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from ingestion_service.domain.activities import NO_CAUSE, Activity
from ingestion_service.domain.facts import (
    IdentityKey,
    SourceFact,
    SourceKind,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import (
    Hold,
    LedgerEntry,
    Reads,
    Store,
    Stores,
)
from tests.support.memory.ingestion import NOON, MemoryReads, MemoryStores

LAKESIDE = Practice("lakeside", "Lakeside", "Asia/Shanghai", "CNY")
HARBOUR = Practice("harbour", "Harbour", "Europe/London", "GBP", "GB", "The Harbour")
WANG_FANG = IdentityKey(LAKESIDE.practice_id, "desk", "wang-fang")
LI_NA = IdentityKey(LAKESIDE.practice_id, "desk", "li-na")
CODES = (("counsellor_id", "c-07"), ("site", "east"))
_PAYMENT_KINDS = {"settled", "refunded", "failed", "charged_back"}


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
        )


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
    )


def fact(kind: SourceKind, event_id: str, /, **changes: Any) -> SourceFact:
    """A fact of Wang Fang at Lakeside about `s1`, a day before noon unless `changes` differ; its
    namespace is its source."""
    is_payment = kind in _PAYMENT_KINDS
    has_amount = is_payment and kind != "failed"
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


def append(store: Store, *facts: SourceFact) -> list[LedgerEntry]:
    """Put facts into the ledger, each with its object, and a sequence that is its place here."""
    objects = store.lock_objects({fact.object_key: fact.identity for fact in facts})
    entries = [
        LedgerEntry(fact, fact.content_hash, objects[fact.object_key].object_id, NOON, sequence, 1)
        for sequence, fact in enumerate(facts, start=1)
    ]
    store.append(entries)
    return entries
