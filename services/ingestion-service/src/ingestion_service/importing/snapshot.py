"""A file of bookings as they are now, beside what the ledger has of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from ingestion_service.domain.bookings import state_of_booking
from ingestion_service.domain.facts import PracticeId, SourceFact, SourceObjectKey
from ingestion_service.domain.sources import PERSONAL, SourceKey
from ingestion_service.ports import Store, Stores
from ingestion_service.ports.imports import KnownObject, PlannedAt
from ingestion_service.registering import personal_of
from rapport_files.snapshots import Booking

PAGE: Final = 1_000
KEPT: Final = timedelta(days=400)
"""So long after its hour it is kept that a booking was planned."""
_HOURS: Final = frozenset({"created", "rescheduled"})


class LedgerBookings:
    """`rapport_files.snapshots.Known` over the ledger, for the bookings of a file in its order."""

    def __init__(self, stores: Stores, practice_id: PracticeId, source: str) -> None:
        self._stores = stores
        self._practice_id = practice_id
        self._source = source
        self._page: dict[str, Booking] = {}

    def beside(self, now: Iterator[Booking]) -> Iterator[Booking]:
        """The bookings of a file, one by one, while those of the same page are known here."""
        while page := list(islice(now, PAGE)):
            by_id = {each.booking_id: each for each in page}
            found = self._read(by_id)
            stored = self._stored({each.client for each in page})
            self._page = {
                booking_id: before
                for booking_id, one in found.items()
                if (before := _as_told(one, by_id[booking_id], stored)) is not None
            }
            yield from page

    def get(self, booking_id: str) -> Booking | None:
        """A booking of the page that is being read."""
        return self._page.get(booking_id)

    def planned(self, first: datetime, end: datetime) -> Iterator[Booking]:
        """What snapshots have said to be planned for these hours, and nothing later has changed."""
        after = PlannedAt(self._practice_id, self._source, first.astimezone(UTC), "")
        while True:
            with self._stores.transaction() as tx:
                page = self._stores.within(tx).imports.planned(after, end, PAGE)
            if not page:
                return
            after = page[-1]
            found = self._read([each.booking_id for each in page])
            for each in page:
                one = found.get(each.booking_id)
                before = None if one is None else _as_planned(one, each)
                if before is not None and first <= before.starts_at < end:
                    yield before

    def _read(self, booking_ids: Collection[str]) -> dict[str, KnownObject]:
        keys = {self._key(each): each for each in booking_ids}
        with self._stores.transaction() as tx:
            imports = self._stores.within(tx).imports
            found = {keys[key]: one for key, one in imports.objects(keys).items()}
            while parts := {k: one for k, one in found.items() if one.standing.part_of}:
                roots = {k: self._key(str(one.standing.part_of)) for k, one in parts.items()}
                known = imports.objects(set(roots.values()))
                found |= {k: known[root] for k, root in roots.items()}
        return found

    def _stored(self, clients: Collection[str]) -> Mapping[str, str | None]:
        """The ids of a file's clients as they are stored: those of a personal source are hashed."""
        key = SourceKey(self._practice_id, self._source)
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            source = store.sources([key]).get(key)
            if source is None or source.client_key != "personal":
                return {each: each for each in clients}
            region = store.practices({key.practice_id})[key.practice_id].region
            hashed = partial(personal_of(store).hashed, key.practice_id, source.namespace)
            return {each: hashed(each, region) for each in clients}

    def _key(self, booking_id: str) -> SourceObjectKey:
        return SourceObjectKey(self._practice_id, self._source, "booking", booking_id)


def note_planned(facts: Sequence[SourceFact], store: Store) -> None:
    """Keep for which hours bookings are planned by what a snapshot has told."""
    last = {fact.object_key: fact for fact in facts}
    store.imports.plan(
        {key: fact.starts_at if fact.kind in _HOURS else None for key, fact in last.items()}
    )


def _as_told(one: KnownObject, now: Booking, stored: Mapping[str, str | None]) -> Booking | None:
    """What was told of a booking, as far as the file tells it: an hour that nobody has told is that
    of the file, and codes that the file does not name are none. `stored` are the ids of the file's
    clients as the ledger has them."""
    state = state_of_booking(one.standing)
    if state is None or one.owner is None:
        return None
    told = dict(one.standing.attributes)
    is_same = stored[now.client] == one.owner.external_id
    return Booking(
        booking_id=now.booking_id,
        client=now.client if is_same else one.owner.external_id,
        state=state.state,
        starts_at=state.starts_at or now.starts_at,
        codes=tuple((name, str(told[name])) for name, _ in now.codes if name in told),
        said_at=state.said_at,
    )


def _as_planned(one: KnownObject, planned: PlannedAt) -> Booking | None:
    """A booking that is still planned. It names no client whom the ledger knows by a hash alone:
    what is said of the booking is the client's to whom it belongs."""
    state = state_of_booking(one.standing)
    if state is None or one.owner is None or state.state != "booked":
        return None
    return Booking(
        booking_id=planned.booking_id,
        client="" if one.owner.external_id.startswith(PERSONAL) else one.owner.external_id,
        state="booked",
        starts_at=state.starts_at or planned.starts_at,
        said_at=state.said_at,
    )
