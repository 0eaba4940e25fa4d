"""What the routes about clients have in common: whose keys they take, and the client's id."""

from typing import Annotated

from fastapi import Depends, Path

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import Forbidden, InvalidRequest, Unauthorised, Unavailable
from scoring_service.api.schemas import ClientId

SCOPE = "tiers:read"
Reader = Annotated[Principal, Depends(require_practice(SCOPE))]
"""A key of a practice with the scope `tiers:read`."""
ClientPath = Annotated[ClientId, Path(description="The client id that ingestion gave out.")]
ALWAYS = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
"""The problems that every such route may answer."""
NO_CLIENT = "this practice has no such client, or scoring has not heard of it yet"
