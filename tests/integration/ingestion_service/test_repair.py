"""A database that was restored to an earlier state is repaired: what comes again is as it was."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from ingestion_service.bootstrap import OUTPUT, build_relay, build_stores
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import accept
from ingestion_service.repairing import repair_with
from ingestion_service.store.lost_events import report_lost
from rapport_contracts.canonical import ActivityRecorded, GenerationOpened
from rapport_contracts.codec import decode
from rapport_contracts.generations import Client, fold, new_client
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import DatabaseIsOlder
from rapport_runtime.stream.look import OutputLook
from rapport_runtime.stream.restored import AfterRestore, Restoration
from rapport_runtime.stream.strays import Input
from tests.support.doubles.known_secrets import RECORD_KEYS, KnownSecrets
from tests.support.memory.ingestion_world import NOON, fact
from tests.support.servers.backups import back_up, restore
from tests.support.worlds.toy_ledger import Crash, at

pytestmark = pytest.mark.integration
Told = Counter[tuple[str, str | None, str | None]]
OLD, NEW = ("ada", "bob"), ("cem", "dan")


def visit(who: str, number: int) -> list[SourceFact]:
    """A booking that was kept and paid, and one that took another's place."""
    about: dict[str, Any] = {"external_id": who}
    booking, moved, payment = (f"{kind}-{who}-{number}" for kind in ("b", "m", "p"))
    later = NOON + timedelta(days=3)
    chained = fact("created", f"e-{moved}", external_object_id=moved, starts_at=later, **about)
    replaced = chained.details._replace(replaces=booking)
    return [
        fact("created", f"e-{booking}", external_object_id=booking, **about),
        chained._replace(details=replaced),
        fact("settled", f"e-{payment}", external_object_id=payment, **about),
    ]


class Restored:
    """Ingestion whose database went back, and the bus that did not."""

    def __init__(self, urls: ServiceDatabase, bus: MemoryBus) -> None:
        self.bus = bus
        self.urls = urls
        self.close: Callable[[], None] = lambda: None
        self.open()

    def open(self) -> None:
        """Connect, as a new process."""
        self.close()
        self.database = Database(self.urls.worker_url, application_name="test-worker")
        self.stores = build_stores(self.database, RECORD_KEYS, is_simulated=False)
        self.close = self.database.close
        self._relay = build_relay(self.database, self.bus)

    def accept(self, *facts: SourceFact) -> None:
        with self.database.transaction() as tx:
            accept(facts, self.stores.within(tx))
        self._relay.drain()

    def publish(self) -> None:
        self._relay.drain()

    def restoration(self) -> Restoration:
        after = AfterRestore(
            reads=Input(GROUP, [topic.name for topic in TOPICS]),
            again="send it again",
            report=report_lost,
            repair=repair_with(lambda *_: self.stores),
        )
        return Restoration(self.database, OUTPUT, lambda: self.bus, after, is_simulated=False)

    def readers(self) -> dict[str, Client[Told]]:
        """What readers have of each client, who have read all of both lives."""
        clients: dict[str, Client[Told]] = {}
        for event in self._events():
            if isinstance(event, GenerationOpened | ActivityRecorded):
                known = clients.get(event.data.client_id) or new_client(Counter())
                clients[event.data.client_id] = fold(known, event, _add, Counter())
        return clients

    def activities(self) -> list[ActivityRecorded]:
        """All that were ever published, in the order of each partition."""
        return [event for event in self._events() if isinstance(event, ActivityRecorded)]

    def _events(self) -> Iterator[Any]:
        for place, log in sorted(self.bus.logs.items()):
            if place.topic == CLIENT_ACTIVITY.name:
                for record in log:
                    yield decode(place.topic, record.key, record.value)


def _add(sums: Told, event: ActivityRecorded) -> Told:
    data = event.data
    added = Told(sums)
    added[data.kind, data.cause_id, data.object_id] += data.count
    return added


@pytest.fixture
def restored(urls: ServiceDatabase, database: Database, bus: MemoryBus) -> Iterator[Restored]:
    """Two clients came before the backup; they and two others after it."""
    database.close()
    made = Restored(urls, bus)
    yield made
    made.close()


def go_back(
    restored: Restored,
    postgres: Postgres,
    kept: Sequence[SourceFact] = (),
    lost: Sequence[SourceFact] = (),
) -> tuple[dict[str, Client[Told]], set[str]]:
    """Lose what came after the backup, without a word; what readers had before, and the ids of the
    visits' events that are lost."""
    restored.accept(*[each for who in OLD for each in visit(who, 1)], *kept)
    restored.close()
    backup = back_up(postgres, restored.urls)
    restored.open()
    restored.accept(*[each for who in OLD + NEW for each in visit(who, 2)], *lost)
    before = restored.readers()
    restored.close()
    restore(postgres, restored.urls, backup)
    restored.open()
    restored.database.vet(OutputLook(restored.database, OUTPUT, lambda: restored.bus))
    with pytest.raises(DatabaseIsOlder), restored.database.transaction():
        pass
    restored.open()
    return before, {each.event_id for who in OLD + NEW for each in visit(who, 2)}


def test_every_client_is_as_before_when_the_events_have_come_again(
    restored: Restored, postgres: Postgres
) -> None:
    before, lost = go_back(restored, postgres)
    restoration = restored.restoration()
    listed = [line.split("\t") for line in restoration.dry_run()]
    assert {line[3] for line in listed if line[0] == "event"} == lost
    restoration.confirm("ann", "a drill", repairs=True)
    assert restoration.repair(KnownSecrets()) == ["repaired: 4 clients are rebuilt"]
    assert restoration.repair(KnownSecrets()) == ["repaired: 0 clients are rebuilt"]
    again = [each for who in NEW + OLD for each in visit(who, 2)]
    for each in reversed(again):
        restored.accept(each)
    after = restored.readers()
    assert after.keys() == before.keys()
    for client_id, client in after.items():
        assert client.beside is None
        assert client.current.number > 1
        assert _kinds(client) == _kinds(before[client_id])
    with restored.database.transaction() as tx:
        assert fetch(tx, "SELECT FROM lost_cause") == []
        assert fetch(tx, "SELECT FROM lost_client") == []


def test_what_comes_again_is_history_and_what_is_new_is_not(
    restored: Restored, postgres: Postgres
) -> None:
    """It has been published and answered before: a tier that rises by it again is no news."""
    _, lost = go_back(restored, postgres)
    restored.restoration().confirm("ann", "a drill", repairs=True)
    restored.restoration().repair(KnownSecrets())
    again = [each for number in (2, 3) for who in NEW + OLD for each in visit(who, number)]
    restored.accept(*again)
    told = {
        (event.data.cause_id, event.data.backfill)
        for event in restored.activities()
        if event.data.generation > 1 and event.data.activity_id is None
    }
    new = {each.event_id for who in NEW + OLD for each in visit(who, 3)}
    assert told == {(each, True) for each in lost} | {(each, False) for each in new}


def _kinds(client: Client[Told]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for (kind, _, _), count in client.current.sums.items():
        sums[kind] += count
    return sums


def test_a_booking_keeps_the_id_by_which_readers_know_it(
    restored: Restored, postgres: Postgres
) -> None:
    go_back(restored, postgres)
    before = objects(restored)
    restored.restoration().confirm("ann", "a drill", repairs=True)
    restored.restoration().repair(KnownSecrets())
    restored.accept(*[each for who in OLD + NEW for each in visit(who, 2)])
    after = objects(restored)
    assert after == before


def objects(restored: Restored) -> dict[str, set[str | None]]:
    """Of each cause that is not of a chain the objects that were ever told."""
    found: dict[str, set[str | None]] = {}
    for client in restored.readers().values():
        for _, cause, object_id in client.current.sums:
            if cause is not None and not cause.startswith("e-m"):
                found.setdefault(cause, set()).add(object_id)
    return found


@pytest.mark.parametrize("is_payment_kept", [False, True])
def test_who_pays_for_another_one_is_not_taken_for_that_one(
    restored: Restored, postgres: Postgres, *, is_payment_kept: bool
) -> None:
    """Of a payment the topic shows for whom it counts, and its event names who paid."""
    card: Any = {"attributes": (("package_id", "card"),)}
    about: Any = {"external_object_id": "p-card", "external_id": "eve"}
    hour = fact("completed", "e-hour", external_object_id="b-hour", external_id="cem", **card)
    bought, back = fact("settled", "e-card", **about, **card), fact("refunded", "e-back", **about)
    kept, lost = ([hour, bought], [back]) if is_payment_kept else ([], [hour, bought, back])
    before, _ = go_back(restored, postgres, kept, lost)
    restored.restoration().confirm("ann", "a drill", repairs=True)
    restored.restoration().repair(KnownSecrets())
    for each in reversed(lost):
        restored.accept(each)
    with restored.database.transaction() as tx:
        rows = fetch(tx, "SELECT external_id, client_id FROM identity")
    whose = {row.external_id: row.client_id for row in rows}
    assert whose["cem"] in before
    assert whose.get("eve") != whose["cem"]


def test_killed_it_goes_on_where_it_was(restored: Restored, postgres: Postgres) -> None:
    go_back(restored, postgres)
    restoration = restored.restoration()
    restoration.confirm("ann", "a drill", repairs=True)
    reached = threading.Event()

    def kill() -> None:
        reached.set()
        raise Crash

    with at("repairing", kill), pytest.raises(Crash):
        restoration.repair(KnownSecrets())
    assert reached.is_set()
    assert restoration.repair(KnownSecrets()) == ["repaired: 4 clients are rebuilt"]
