"""`/v1/messages`: each message's state and reason, and the decisions that staff may take."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from outreach_service.api.refusals import ALWAYS, NO_MESSAGE, NotDatedYet, refusals_as_problems
from outreach_service.api.schemas import (
    ANY_MESSAGE,
    APPROVED_MESSAGE,
    CANCELLED_MESSAGE,
    ClientId,
    CountAnswer,
    MessageAnswer,
    MessageDetail,
    SummaryAnswer,
)
from outreach_service.domain.message_views import MessageFilter
from outreach_service.domain.messages import State
from outreach_service.domain.terms import Channel
from outreach_service.handlers.messages import approve_message, cancel_message, view_message
from outreach_service.handlers.previews import Previews
from outreach_service.ports import Messages
from outreach_service.ports.reads import Caller
from outreach_service.ports.store import Stores
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.examples import json_example
from rapport_runtime.http.links import links
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import Conflict, InvalidCursor, NotFound, responses

Reader = Annotated[Principal, Depends(require_practice("messages:read"))]
Writer = Annotated[Principal, Depends(require_practice("messages:write"))]
_FIRST = {"message_id": "$response.body#/items/0/message_id"}
MessageId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=[ANY_MESSAGE["message_id"]])]


def messages_router(messages: Messages, stores: Stores, previews: Previews) -> APIRouter:
    """Lists, details, approval and cancellation of messages."""
    router = APIRouter(prefix="/v1/messages", tags=["messages"])
    _add_lists(router, messages)
    _add_one(router, stores, previews)
    _add_steering(router, stores)
    return router


def message_filter(
    client_id: Annotated[ClientId | None, Query()] = None,
    state: State | None = None,
    channel: Channel | None = None,
    play: Annotated[str | None, Query(max_length=64)] = None,
) -> MessageFilter:
    """The list's filters, from the query; a dependency."""
    return MessageFilter(client_id, state, channel, play)


def _add_lists(router: APIRouter, messages: Messages) -> None:
    @router.get(
        "",
        responses=responses(*ALWAYS, InvalidCursor)
        | links(200, {f"messages-{name}": _FIRST for name in ("get_message", "approve", "cancel")}),
    )
    def list_messages(
        only: Annotated[MessageFilter, Depends(message_filter)], page: PageQuery, principal: Reader
    ) -> Page[MessageAnswer]:
        """List messages: the state of each, its reason, and its next decision.

        By message id; several filters narrow the list together.
        """
        after = str(page.after[0]) if page.after else ""
        rows = messages.page(principal.practice, only, after, page.fetch)
        answers = [MessageAnswer.of(row) for row in rows]
        return page.page(answers, lambda answer: (answer.message_id,))

    @router.get("/summary", responses=responses(*ALWAYS))
    def summary(principal: Reader) -> SummaryAnswer:
        """Count all messages by play, channel, state and reason.

        Combinations without a message are not listed.
        """
        counts = messages.summary(principal.practice)
        return SummaryAnswer(items=[CountAnswer(**count._asdict()) for count in counts])


def _add_one(router: APIRouter, stores: Stores, previews: Previews) -> None:
    @router.get("/{message_id}", responses=responses(*ALWAYS, NotFound))
    def get_message(message_id: MessageId, principal: Reader) -> MessageDetail:
        """Get one message: its cause, its attempts, the reason for its state, and its text.

        The text is rendered now, with the contact and templates as they are now. Who gets a text is
        recorded: `/v1/clients/{client_id}/reads` shows it.
        """
        caller = Caller(principal.practice, principal.key_id)
        view = view_message(stores, previews, caller, message_id)
        if view is None:
            raise NotFound(NO_MESSAGE)
        return MessageDetail.of_view(view)


def _add_steering(router: APIRouter, stores: Stores) -> None:
    problems = responses(*ALWAYS, NotFound, Conflict, NotDatedYet)

    @router.post(
        "/{message_id}/approve", responses=problems | {200: json_example(APPROVED_MESSAGE)}
    )
    def approve(message_id: MessageId, principal: Writer) -> MessageAnswer:
        """Approve a message that awaits staff; safe to repeat.

        Every other gate is then checked again. A message that was approved already stays as it is.
        409 for one that awaits nobody, or was cancelled.
        """
        with refusals_as_problems():
            row = approve_message(stores, principal.practice, message_id)
        if row is None:
            raise NotFound(NO_MESSAGE)
        return MessageAnswer.of(row)

    @router.post(
        "/{message_id}/cancel", responses=problems | {200: json_example(CANCELLED_MESSAGE)}
    )
    def cancel(message_id: MessageId, principal: Writer) -> MessageAnswer:
        """Cancel a message before it is sent; safe to repeat.

        409 once a provider may have it. A message that was suppressed or has expired stays so.
        """
        with refusals_as_problems():
            row = cancel_message(stores, principal.practice, message_id)
        if row is None:
            raise NotFound(NO_MESSAGE)
        return MessageAnswer.of(row)
