"""Outreach's API with clients, contacts, messages that await staff, and letters put aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from outreach_service.bootstrap import build_api
from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import GROUP
from outreach_service.settings import OutreachSettings
from outreach_service.unsubscribe import unsubscribe_key, unsubscribe_token
from rapport_contracts import topics
from tests.support.access_matrix.world import (
    PRACTICE,
    ApiWorld,
    common_settings,
    every_key,
    put_letters_aside,
    read_keys,
    running,
    service_database,
)
from tests.support.worlds.outreach import KEY, OutreachWorld, playbook

CLIENTS = [f"{number:032x}" for number in range(1, 9)]
BEGAN = datetime(2024, 6, 1, 12, tzinfo=UTC)


@contextmanager
def outreach(postgres_url: str) -> Iterator[ApiWorld]:
    """The world, gone afterwards."""
    with service_database(postgres_url, "outreach") as urls:
        worker = OutreachWorld(urls, playbook(directions=["entered"], mode="approve"), {})
        messages = _fill(worker)
        letters = put_letters_aside(worker.database, GROUP, topics.TIER_CHANGES.name)
        worker.close()
        read_keys(urls, GROUP)
        settings = OutreachSettings(
            **common_settings(urls),
            contact_keys={"k1": KEY},
            contact_active_key="k1",
            contact_index_key=KEY,
        )
        known = {
            "path.client_id": CLIENTS,
            "query.client_id": CLIENTS,
            "path.channel": ["email"],
            "path.message_id": messages,
            "path.letter_id": letters,
            "path.token": [_link(client) for client in CLIENTS],
        }
        with running(build_api(settings)) as app:
            yield ApiWorld("outreach", app, urls, known, every_key(app, urls))


def _link(client: str) -> str:
    subscription = Subscription(PRACTICE, client, Channel.EMAIL, Purpose.CARE)
    return unsubscribe_token(unsubscribe_key(KEY), WayOut(subscription))


def _fill(worker: OutreachWorld) -> list[str]:
    """Contacts and a message for each client; the ids of the messages."""
    worker.now_is(BEGAN)
    for client in CLIENTS:
        worker.reachable(client, Channel.EMAIL, f"{client}@example.org")
        worker.active(client, 1, BEGAN)
        worker.moved(client, 1, BEGAN)
    worker.now_is(BEGAN + timedelta(days=1))
    worker.dispatch()
    return [row.message_id for row in worker.messages().values()]
