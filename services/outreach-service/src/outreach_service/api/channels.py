"""`GET /v1/channels`: whether each channel sends, how fast it may, and its last hour."""

from typing import Annotated

from fastapi import APIRouter, Depends

from outreach_service.api.refusals import ALWAYS
from outreach_service.api.schemas import ChannelAnswer, ChannelsAnswer
from outreach_service.ports import Channels
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import responses


def channels_router(channels: Channels) -> APIRouter:
    """The state of each channel."""
    router = APIRouter(prefix="/v1", tags=["channels"])

    @router.get("/channels", responses=responses(*ALWAYS))
    def list_channels(
        principal: Annotated[Principal, Depends(require_practice("channels:read"))],
    ) -> ChannelsAnswer:
        """List the channels: which are set up, which send, and how fast they may.

        Permits belong to the provider account, which all practices share; the other figures are
        this practice's. A message waits for the channel that it tried last, else for the first of
        its step.
        """
        states = channels.states(principal.practice)
        return ChannelsAnswer(items=[ChannelAnswer.of(state) for state in states])

    return router
