"""`GET /v1/me`: what the key is with which one asks."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field

from rapport_runtime.http.api_keys import KEY_ID, Principal
from rapport_runtime.http.auth import any_key
from rapport_runtime.http.problems import (
    InvalidRequest,
    TooManyRequests,
    Unauthorised,
    Unavailable,
    responses,
)


class Me(BaseModel):
    """A key, as its holder may know it."""

    key_id: str = Field(
        description=f"The {KEY_ID}: no secret. Logs and the audit name the key by it.",
        examples=["6c1f0a52b3d94e87"],
    )
    holder: Literal["practice", "operator"] = Field(description="Whose key it is.")
    practice_id: str | None = Field(
        description="The practice that the key sees; null for an operator's key.",
        examples=["lantern-harbour"],
    )
    scopes: list[str] = Field(
        description="What it may do here and elsewhere, in alphabetical order.",
        examples=[["clients:read", "events:write"]],
    )
    label: str = Field(description="What it was called when it was made.", examples=["till, main"])
    expires_at: AwareDatetime | None = Field(
        description="When it stops to hold; null: when it is revoked.", examples=[None]
    )


def me_router() -> APIRouter:
    """The router, for keys of every holder with whatever scopes."""
    router = APIRouter(prefix="/v1", tags=["keys"])

    @router.get(
        "/me", responses=responses(Unauthorised, InvalidRequest, TooManyRequests, Unavailable)
    )
    async def me(principal: Annotated[Principal, Depends(any_key())]) -> Me:
        """Get what your key is.

        Whose it is, what it may do, and until when it holds.
        """
        return Me(
            key_id=principal.key_id,
            holder="operator" if principal.practice_id is None else "practice",
            practice_id=principal.practice_id,
            scopes=sorted(principal.scopes),
            label=principal.label,
            expires_at=principal.expires_at,
        )

    return router
