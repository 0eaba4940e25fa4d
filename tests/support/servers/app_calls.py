"""Requests to an app in the test's own process, without a socket."""

import asyncio
import threading
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI

SECONDS = 120


def ask(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    """One request through the whole app, from any thread.

    All run on one event loop, as in a service: what an app keeps belongs to the loop it first ran
    on.
    """

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, **options)

    return asyncio.run_coroutine_threadsafe(send(), _event_loop()).result(SECONDS)


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="app-calls", daemon=True).start()
    return loop
