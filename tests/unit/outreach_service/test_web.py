"""Calls to providers are spread over small pools of connections."""

import asyncio

import httpx

from outreach_service.providers.web import Pools


class Pool(httpx.AsyncBaseTransport):
    """Counts its calls, and remembers that it was closed."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return httpx.Response(200, request=request)

    async def aclose(self) -> None:
        self.is_closed = True


def test_pools_take_turns_and_are_all_closed() -> None:
    pools = [Pool(), Pool(), Pool()]

    async def calls(count: int) -> None:
        async with httpx.AsyncClient(transport=Pools(pools)) as client:
            await asyncio.gather(*(client.get("http://provider.test/") for _ in range(count)))

    asyncio.run(calls(7))

    assert sorted(pool.calls for pool in pools) == [2, 2, 3]
    assert all(pool.is_closed for pool in pools)
