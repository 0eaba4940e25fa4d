"""The bytes of a body as they came, for what is signed."""

from fastapi import Request


async def raw_body(request: Request) -> bytes:
    """A dependency: the whole body."""
    return await request.body()
