"""Many workers claim at once: caps hold to the message, and nobody deadlocks (R24)."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from outreach_service.bootstrap import build_stores
from outreach_service.dispatcher import OutboundQueue
from outreach_service.domain.messages import SANDBOX_RETRIES
from outreach_service.domain.rules import DEFAULT_RULES, Cap, Rules, Scope
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.store import clients
from outreach_service.store.contact_cipher import KeyringCipher
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime.database import Database
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.servers.buses import eventually
from tests.support.worlds.outreach import KEYRING, OutreachWorld, playbook
from tests.support.worlds.toy_ledger import at

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORKERS = 16
ONE_ALONE_SECONDS = 2
"""Nobody else decides for so long, where a lock holds them back."""
CAP_1 = replace(
    DEFAULT_RULES,
    same_text_days=0,
    caps=(
        Cap(
            scope=Scope.CLIENT,
            purposes=frozenset({Purpose.CARE}),
            limit=1,
            window=timedelta(days=7),
        ),
    ),
)


@contextmanager
def queues(urls: ServiceDatabase, rules: Rules = DEFAULT_RULES) -> Iterator[list[OutboundQueue]]:
    """The queues of sixteen workers, each with connections of its own."""
    databases = [Database(urls.worker_url, application_name=f"queue-{n}") for n in range(WORKERS)]
    try:
        yield [
            OutboundQueue(
                build_stores(database, simulated=True),
                KeyringCipher(KEYRING),
                SANDBOX_RETRIES,
                dispatch_options(lease_seconds=60, rules=rules),
            )
            for database in databases
        ]
    finally:
        for database in databases:
            database.close()


def outreach(urls: ServiceDatabase, plays: int = 1) -> OutreachWorld:
    """Whoever enters is written to by each of so many plays."""
    providers = dict.fromkeys(Channel, RecordingProvider())
    book = playbook(directions=["entered"])
    (play,) = book["plays"]
    alike = [{**play, "key": f"hello-{number}"} for number in range(plays)]
    return OutreachWorld(urls, {**book, "plays": alike}, providers)


@pytest.mark.parametrize("mutant", [False, True])
def test_of_sixteen_claims_for_one_client_under_a_cap_of_one_one_goes(
    service_database: Callable[[str], ServiceDatabase],
    monkeypatch: pytest.MonkeyPatch,
    *,
    mutant: bool,
) -> None:
    """Each worker has another message of hers in hand, and the first to decide waits for another
    that does. Mutant: nobody locks the client."""
    urls = service_database("outreach")
    world = outreach(urls, plays=WORKERS)
    if mutant:
        for name in ("lock_clients", "lock_contacts"):
            monkeypatch.setattr(clients, name, lambda _tx, _keys: None)
    world.reachable("ada", Channel.SMS, "+8613800138000")
    world.moved("ada", 1, NOON)
    world.now_is(NOON)
    with (
        queues(urls, CAP_1) as workers,
        at(
            "intent_claimed",
            lambda: eventually(lambda: decided.count("intent_claimed") > 1, ONE_ALONE_SECONDS),
        ) as decided,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        claims = list(pool.map(lambda queue: queue.claim(1).claimed, workers))
    world.close()
    survives = sum(map(len, claims)) == 1
    assert survives is not mutant


def test_sixteen_workers_on_shared_phones_never_deadlock(
    postgres: Postgres, service_database: Callable[[str], ServiceDatabase]
) -> None:
    """Eighty clients of twenty families: each claim locks several, in the order of their turn."""
    urls = service_database("outreach")
    world = outreach(urls)
    for number in range(80):
        world.reachable(f"child-{number}", Channel.SMS, f"+8613800138{number * 7 % 20:03d}")
        world.moved(f"child-{number}", 1, NOON - timedelta(seconds=number * 37 % 80))
    world.now_is(NOON)
    with queues(urls) as workers, ThreadPoolExecutor(WORKERS) as pool:
        rounds = [pool.submit(queue.claim, 6) for _ in range(4) for queue in workers]
        claimed = [one for each in rounds for one in each.result().claimed]
    world.close()
    per_phone = Counter(one.address for one in claimed)
    assert set(per_phone.values()) == {3}
    assert len(per_phone) == 20
    assert _deadlocks(postgres, urls.name) == 0


def _deadlocks(postgres: Postgres, database: str) -> int:
    """How many the server has counted in the database since it was made."""
    with psycopg.connect(postgres.url(database)) as connection:
        row = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
