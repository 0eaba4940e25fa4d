"""A practice's change of zone: its clients follow, one by one (ADR 54).

Each client in a transaction of its own: its facts are derived anew from the ledger, in the order of
acceptance, and said as another generation. Until then its live facts count in the zone before. A
kill leaves a client as it was, or turned.
"""

import threading
import time
from typing import Final

from ingestion_service.domain.activities import local_day
from ingestion_service.domain.derivation import Derivation
from ingestion_service.domain.errors import NotYet, Unknown
from ingestion_service.domain.facts import PracticeId
from ingestion_service.handlers import open_generation
from ingestion_service.ports import ClientKey
from ingestion_service.ports.zones import Turned, TurningStore, TurningStores
from ingestion_service.rebuilding import MOST_WAITING
from rapport_runtime import failpoints
from rapport_runtime.db_errors import DatabaseError, describe
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.logs import get_logger

log = get_logger(__name__)

REASON: Final = "zone"
AT_ONCE: Final = 100
"""So many practices have a client turned in one round."""
LOOK_SECONDS: Final = 2.0
"""While nobody changes, so often is looked whether somebody does."""
PAUSE_SECONDS: Final = 0.2
"""The wait while much waits to be published."""
REST_SECONDS: Final = 60.0
"""The wait of a practice before those of its clients are tried again that were passed over."""


def turn(key: ClientKey, store: TurningStore) -> int:
    """Derive all facts of a client anew in its practice's zone, and say them as its next
    generation; how many. Raises `Unknown` for a client that there is not, `Conflict` where the
    ledger contradicts itself, and `NotYet` before a simulated clock is first set; what was written
    by then is to be rolled back."""
    locked = store.zones.lock(key)
    if locked is None:
        raise Unknown("unknown-client", "the practice has no such client")
    zone = store.practices({key.practice_id})[key.practice_id].zone
    derivation = Derivation(locked.known, locked.identities, zone, locked.registered)
    for page in store.zones.history(key):
        store.zones.keep(key, [derivation.add(past) for past in page])
    derivation.end()
    store.save_standings(derivation.standings)
    on = None if locked.registered_at is None else local_day(locked.registered_at, zone)
    store.zones.turn(key, Turned(zone, derivation.facts, derivation.registered, on))
    return open_generation(key, store, REASON)


class ZoneChanges:
    """Turns the clients of all practices that have changed their zone, each practice's in turn. Any
    number of workers may run it: a practice's change is done by one of them at a time."""

    def __init__(self, stores: TurningStores) -> None:
        self._stores = stores
        self._rests_until: dict[PracticeId, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Turn clients until `stop`. It waits while the database or the bus is away. Raises
        `LoopHalted`."""
        while not stop.is_set():
            try:
                seconds = self.round()
            except (TryLater, NotYet, *DatabaseError) as error:
                log.warning("zone_changes_wait", error=type(error).__name__)
                seconds = LOOK_SECONDS
            stop.wait(seconds)

    def round(self) -> float:
        """Turn one client of each practice; after how many seconds to go on."""
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            changed = store.zones.changes(AT_ONCE)
            if changed and store.rebuilds.waiting(MOST_WAITING) >= MOST_WAITING:
                return PAUSE_SECONDS
        now = time.monotonic()
        turned = [self._step(each) for each in changed if self._rests_until.get(each, now) <= now]
        return 0.0 if any(turned) else LOOK_SECONDS

    def _step(self, practice_id: PracticeId) -> bool:
        """Turn the next client of a practice; whether there may be another one at once. One that
        cannot be turned is passed over: it has its turn again when the others are done, and the
        change does not end without it."""
        try:
            return self._turn_next(practice_id)
        except (LoopHalted, TryLater, NotYet):
            raise
        except DatabaseError as error:
            fault = describe(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours stops nobody else
            fault = type(error).__name__
        with self._stores.transaction() as tx:
            zones = self._stores.within(tx).zones
            change = zones.try_lock(practice_id)
            key = change and zones.next_client(change)
            if key:
                zones.move(practice_id, key.client_id)
                log.error("client_not_turned", client_id=key.client_id, error=fault)
        return key is not None

    def _turn_next(self, practice_id: PracticeId) -> bool:
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            zones = store.zones
            change = zones.try_lock(practice_id)
            if change is None:
                return False
            if key := zones.next_client(change):
                turn(key, store)
                zones.move(practice_id, key.client_id)
                failpoints.hit("turning")
                return True
            if zones.next_client(change._replace(done=None)) is None:
                zones.end(practice_id)
            else:
                zones.move(practice_id, None)
                self._rests_until[practice_id] = time.monotonic() + REST_SECONDS
        return False
