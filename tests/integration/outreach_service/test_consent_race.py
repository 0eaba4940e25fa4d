"""A withdrawal of consent against the claim, both at once: the second one sees the first."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from outreach_service.domain.consents import ConsentStatement
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import save_consents
from outreach_service.ports.records import ClaimedMessage
from outreach_service.ports.store import Store, Stores
from outreach_service.store import clients
from rapport_devkit.databases import ServiceDatabase
from tests.support.servers.buses import eventually
from tests.support.worlds.outreach import PRACTICE, OutreachWorld, playbook

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NO = ConsentStatement(
    *("no", NOON, "ada"),
    *(Channel.SMS, Purpose.CARE),
    granted=False,
    evidence="phone",
    text_version="1",
)
WAITING = """
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


class Unhurried:
    """Stores whose transactions do something else before they commit."""

    def __init__(self, stores: Stores, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self.within = stores.within
        self._open = stores.open

    @contextmanager
    def open(self, practice_id: str | None = None) -> Iterator[Store]:
        with self._open(practice_id) as store:
            yield store
            self._meanwhile()


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[OutreachWorld]:
    """An outreach whose client Ada has a message that is due; Ben has her phone."""
    made = OutreachWorld(service_database("outreach"), playbook(directions=["entered"]), {})
    for client in ("ada", "ben"):
        made.reachable(client, Channel.SMS, "+8613800138000")
    made.moved("ada", 1, NOON)
    made.now_is(NOON)
    yield made
    made.close()


@pytest.mark.parametrize("client", ["ada", "ben"])
@pytest.mark.parametrize("mutant", [False, True])
def test_a_claim_waits_for_a_withdrawal_under_way_and_hears_it(
    world: OutreachWorld, monkeypatch: pytest.MonkeyPatch, client: str, *, mutant: bool
) -> None:
    """L1, R25; Ben has the same phone. Mutant: the claim locks nobody, and claims by what consent
    was."""
    if mutant:
        for name in ("lock_clients", "lock_contacts"):
            monkeypatch.setattr(clients, name, lambda _tx, _keys: None)
    claimed: list[ClaimedMessage] = []
    claim = threading.Thread(target=lambda: claimed.extend(world.queue.claim(10).claimed))
    waited: list[bool] = []

    def meanwhile() -> None:
        claim.start()
        assert eventually(lambda: bool(world.rows(WAITING)) or not claim.is_alive())
        waited.append(claim.is_alive())

    withdrawal = NO._replace(client_id=client)
    save_consents(Unhurried(world.stores, meanwhile), PRACTICE, [withdrawal], "k1")
    claim.join()
    (message,) = world.messages().values()
    survives = (waited, claimed, message.state) == ([True], [], "suppressed")
    assert survives is not mutant
    assert mutant or "sms without consent for care" in message.reason
