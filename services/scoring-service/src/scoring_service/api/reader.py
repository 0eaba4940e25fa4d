"""What the routes about clients have in common: whose keys they take, client id and scheme."""

from typing import Annotated

from fastapi import Depends, Path, Query

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
)
from scoring_service.api.schemas import ClientId
from scoring_service.domain.rulebook import Rulebook

SCOPE = "tiers:read"
Reader = Annotated[Principal, Depends(require_practice(SCOPE))]
"""A key of a practice with the scope `tiers:read`."""
ClientPath = Annotated[ClientId, Path(description="The client id that ingestion gave out.")]
SchemeQuery = Annotated[
    str | None, Query(max_length=200, description="The scheme; the primary one if left out.")
]
ALWAYS = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
"""The problems that every such route may answer."""
NO_CLIENT = "this practice has no such client, or scoring has not heard of it yet"


def known_scheme(scheme: str | None, rulebook: Rulebook) -> str:
    """The scheme that a request names, or the primary one; raises `NotFound` for another."""
    if scheme not in {None, rulebook.key}:
        raise NotFound("there is no such scheme")
    return rulebook.key
