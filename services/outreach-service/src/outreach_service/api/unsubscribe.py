"""`/v1/unsubscribe/{token}`: the link that every e-mail carries (RFC 8058, L1, L22)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import HTMLResponse

from outreach_service.api.refusals import NotDatedYet, refusals_as_problems
from outreach_service.domain.consents import WayOut
from outreach_service.handlers.preferences import withdraw_by_link
from outreach_service.ports.store import Stores
from outreach_service.unsubscribe import LONGEST_TOKEN, way_out_of
from rapport_runtime.http.auth import Guard, take_place
from rapport_runtime.http.problems import NotFound, TooManyRequests, responses

_PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body>{content}</body>
</html>
"""
_ASK = _PAGE.format(
    language="zh-CN",
    title="退订 · Unsubscribe",
    content="""<p>不再接收此类消息？</p><p lang="en">Stop these messages?</p>
<form method="post"><button>退订 · Unsubscribe</button></form>""",
)
_DONE = _PAGE.format(
    language="zh-CN",
    title="已退订 · Unsubscribed",
    content="""<p>您将不再收到此类消息。</p>
<p lang="en">You will get no more of these messages.</p>""",
)


_DAMAGED = _PAGE.format(
    language="zh-CN",
    title="链接无效 · Damaged link",
    content="""<p>此链接不完整或已损坏。请打开消息中的完整链接，或直接联系机构停止发送。</p>
<p lang="en">This link is incomplete or damaged. Please open the whole link of the message, or ask
the practice to stop its messages.</p>""",
)


def _shows(status: int, page: str) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: that it may answer with this page."""
    content = {"text/html": {"schema": {"type": "string"}, "example": page}}
    return {status: {"description": "A page for the client.", "content": content}}


_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class NoSuchLink(NotFound):
    """We did not make the link, or it was damaged on its way."""

    page = _DAMAGED


Token = Annotated[str, Path(examples=["BxUvMNpQ7w"], json_schema_extra={"format": "base64url"})]
"""A link's token. Any other text is answered as a link that we did not make."""


class SignedLink(Guard):
    """Admits the holder of a link that we signed: the client, or the client's mail provider."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def __call__(self, request: Request, token: Token) -> WayOut:
        """What the link ends, and where; raises NoSuchLink for one that we did not make.

        The links of a practice have a share of places of their own: what its systems ask keeps no
        client from getting out.
        """
        found = way_out_of(self._key, token) if len(token) <= LONGEST_TOKEN else None
        if found is None:
            raise NoSuchLink("no such link")
        if request.method not in _READS:
            await take_place(request, f"links of {found.subscription.practice_id}")
        return found


def unsubscribe_router(stores: Stores, key: bytes) -> APIRouter:
    """The link's routes; they need no API key, since the link itself is signed.

    A link that was cut off or grew a slash comes here too, and words that a mail program appends
    as a query are not looked at: what matters is that a client can get out.
    """
    router = APIRouter(prefix="/v1/unsubscribe", tags=["unsubscribe"])
    link = SignedLink(key)
    problems = responses(NoSuchLink)
    problems[404]["content"] |= _shows(404, _DAMAGED)[404]["content"]  # for who asks for HTML

    @router.get(
        "/{token:path}", response_class=HTMLResponse, responses=problems | _shows(200, _ASK)
    )
    def ask(_way_out: Annotated[WayOut, Depends(link)]) -> str:
        """Show the client a page with one button that unsubscribes.

        Opening it changes nothing, since mail scanners open links.
        """
        return _ASK

    @router.options("/{token:path}", include_in_schema=False)
    def options(_way_out: Annotated[WayOut, Depends(link)]) -> Response:
        """Say what the link takes; like opening it, this changes nothing."""
        return Response(headers={"Allow": "GET, HEAD, OPTIONS, POST"})

    @router.post(
        "/{token:path}",
        response_class=HTMLResponse,
        responses=problems | responses(NotDatedYet, TooManyRequests) | _shows(200, _DONE),
    )
    def unsubscribe(way_out: Annotated[WayOut, Depends(link)]) -> str:
        """Withdraw the client's consent to the link's purpose on its channel.

        It holds at once, for the client wherever they are reached now, and for everybody who has
        the address to which the link was sent; safe to repeat. A mail provider posts
        `List-Unsubscribe=One-Click`; the body is not read.
        """
        with refusals_as_problems():
            withdraw_by_link(stores, way_out)
        return _DONE

    return router
