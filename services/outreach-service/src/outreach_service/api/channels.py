"""`GET /v1/channels`: whether messages leave, how fast they may, and how the last hour went."""

from typing import Annotated

from fastapi import APIRouter, Depends

from outreach_service.api.refusals import ALWAYS
from outreach_service.api.schemas import ChannelAnswer, ChannelsAnswer
from outreach_service.ports import Channels
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import responses


def channels_router(channels: Channels) -> APIRouter:
    """The router with the one route."""
    router = APIRouter(prefix="/v1", tags=["channels"])

    @router.get("/channels", responses=responses(*ALWAYS))
    def list_channels(
        principal: Annotated[Principal, Depends(require_practice("channels:read"))],
    ) -> ChannelsAnswer:
        """Each channel: set up or not, sending or not, what its provider's limits leave.

        Permits are the provider account's, shared by all practices; the rest is this practice's.
        A message waits for the channel that it tried last, else for its step's first.
        """
        states = channels.states(principal.practice)
        return ChannelsAnswer(items=[ChannelAnswer.of(state) for state in states])

    return router
