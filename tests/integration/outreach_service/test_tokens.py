"""Provider tokens under load: a cold start asks once, whatever the size of the connection pool."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from outreach_service.domain.messages import About, Outcome, Outgoing, Rejected
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import TokenStoreUnavailable
from outreach_service.providers.web import http_client
from outreach_service.providers.wechat import WeChat, WeChatAccount
from outreach_service.sealing import ContactKeyring
from outreach_service.store.tokens import PostgresTokens
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database

pytestmark = pytest.mark.integration
KEY = base64.b64encode(b"k" * 32).decode()
AT_ONCE = 32
"""As many sends as the dispatcher has under way; more than the pool has connections."""


def test_a_cold_start_of_many_sends_does_not_starve_the_one_that_holds_the_lock(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    made = service_database("outreach")
    workers = [Database(made.worker_url, application_name=f"worker-{n}") for n in range(2)]
    keyring = ContactKeyring({"k1": KEY}, active="k1", index_key=KEY)
    stores = [PostgresTokens(database, keyring) for database in workers]
    inside: list[int] = []
    together: list[int] = []

    async def one(store: PostgresTokens) -> None:
        async with store.lock("wechat"):
            inside.append(1)
            await store.get("wechat")
            together.append(len(inside))
            inside.pop()

    async def all_at_once() -> None:
        await asyncio.wait_for(
            asyncio.gather(*(one(stores[n % 2]) for n in range(2 * AT_ONCE))), timeout=9
        )

    try:
        asyncio.run(all_at_once())
    finally:
        for database in workers:
            database.close()
    assert together == [1] * (2 * AT_ONCE)


def test_a_store_that_is_away_is_said_so_and_is_no_provider_s_answer() -> None:
    nowhere = Database("postgresql://nobody:x@127.0.0.1:9/none", application_name="test")
    store = PostgresTokens(nowhere, ContactKeyring({"k1": KEY}, active="k1", index_key=KEY))

    async def lock() -> None:
        async with store.lock("wechat"):
            pass

    for ask in (lock(), store.get("wechat")):
        with pytest.raises(TokenStoreUnavailable):
            asyncio.run(ask)
    account = WeChatAccount("http://127.0.0.1:9", "appid", "secret")
    message = Outgoing(
        message_id="0" * 32, channel=Channel.WECHAT, purpose=Purpose.CARE, recipient="x", body="y"
    )

    async def send() -> Outcome:
        async with http_client() as client:
            wechat = WeChat(client, account, store, lambda: datetime(2026, 1, 1, tzinfo=UTC))
            return await wechat.send(message)

    assert asyncio.run(send()) == Rejected(
        "wechat:token:store-away", final=False, about=About.UNCLEAR
    )
