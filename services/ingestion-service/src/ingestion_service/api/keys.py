"""`/v1/keys`: operators make, list, rotate and revoke API keys."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from ingestion_service.api.key_schemas import KeyAnswer, KeyBody, NewKeyAnswer, RotateBody
from rapport_contracts.scopes import SCOPES
from rapport_runtime.http.api_keys import KEY_ID, Principal
from rapport_runtime.http.auth import require_operator
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import (
    FieldError,
    Forbidden,
    InvalidCursor,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)
from rapport_runtime.ops.key_scopes import check_scopes
from rapport_runtime.ops.stored_keys import NewKey, StoredKeys

Admin = Annotated[Principal, Depends(require_operator("admin"))]
KeyId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{16}$",
        description=f"The {KEY_ID}.",
        examples=["6c1f0a52b3d94e87"],
    ),
]
_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)


def keys_router(stored: StoredKeys) -> APIRouter:
    """The routes that manage keys; the first key is made by the command `keys create`."""
    router = APIRouter(prefix="/v1/keys", tags=["keys"])

    @router.post("", status_code=201, responses=responses(*_DENIED))
    def make_key(principal: Admin, body: KeyBody) -> NewKeyAnswer:
        """Make an API key.

        The answer holds the key whole, this one time; keep it as you keep a password. Each scope
        must be one for such a holder: with one that is for operators alone a practice's key is
        refused, and the other way round.
        """
        try:
            check_scopes(body.scopes, body.practice_id, SCOPES)
        except ValueError as error:
            fault = FieldError(
                location="body", pointer="/scopes", reason="wrong-holder", detail=str(error)
            )
            raise InvalidRequest("1 found", errors=[fault]) from None
        days = body.valid_days
        made = stored.make(
            _actor(principal),
            practice_id=body.practice_id,
            scopes=body.scopes,
            label=body.label,
            valid_for=None if days is None else timedelta(days=days),
        )
        return _new(made)

    @router.get("", responses=responses(*_DENIED, InvalidCursor))
    def list_keys(principal: Admin, page: PageQuery) -> Page[KeyAnswer]:
        """List all API keys, without their secrets.

        By key id; those that ended are listed too.
        """
        after = "" if page.after is None else str(page.after[0])
        rows = stored.page(after=after, limit=page.fetch)
        return page.page([KeyAnswer.of(row) for row in rows], key=lambda key: (key.key_id,))

    @router.post("/{key_id}/rotate", status_code=201, responses=responses(*_DENIED, NotFound))
    def rotate_key(principal: Admin, key_id: KeyId, body: RotateBody) -> NewKeyAnswer:
        """Make the successor of a key, which may do the same.

        Both hold until the old one ends, after `old_ends_in_hours`; a key that ends before stays
        so. Of a key that holds no more there is no successor (404).
        """
        overlap = timedelta(hours=body.old_ends_in_hours)
        try:
            return _new(stored.rotate(_actor(principal), key_id, overlap=overlap))
        except LookupError as error:
            raise NotFound(str(error)) from None

    @router.delete("/{key_id}", status_code=204, responses=responses(*_DENIED, NotFound))
    def revoke_key(principal: Admin, key_id: KeyId) -> None:
        """Revoke a key, for good.

        It may still pass for 2 seconds; an event stream that is open goes on to its end.
        """
        try:
            stored.revoke(_actor(principal), key_id)
        except LookupError as error:
            raise NotFound(str(error)) from None

    return router


def _actor(principal: Principal) -> str:
    return f"key {principal.key_id}"


def _new(made: NewKey) -> NewKeyAnswer:
    return NewKeyAnswer(**KeyAnswer.of(made.row).model_dump(), key=made.raw)
