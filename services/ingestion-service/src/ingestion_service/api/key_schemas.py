"""The bodies and answers of `/v1/keys`."""

from typing import Self

from pydantic import AwareDatetime, Field, StrictInt

from ingestion_service.api.schemas import WireModel
from rapport_contracts.scopes import ScopeName
from rapport_contracts.values import PracticeId
from rapport_runtime.http.api_keys import KEY_ID
from rapport_runtime.one_line import LABEL
from rapport_runtime.ops.keys import LONGEST_DAYS, LONGEST_OVERLAP_HOURS, KeyRow


class KeyBody(WireModel):
    """The key to make."""

    practice_id: PracticeId | None = Field(
        description="Whose key it is; null for an operator's, which must be said.",
        examples=["lantern-harbour"],
    )
    scopes: list[ScopeName] = Field(
        min_length=1,
        max_length=50,
        description="What it may do.",
        examples=[["events:write", "clients:read"]],
    )
    label: str = Field(
        default="",
        pattern=LABEL,
        description="Who uses it for what; name no person.",
        examples=["till, main street"],
    )
    valid_days: StrictInt | None = Field(
        default=None,
        ge=1,
        le=LONGEST_DAYS,
        description="So many days it holds; without: until it is revoked.",
        examples=[365],
    )


class RotateBody(WireModel):
    """How long the old key still holds beside the new one."""

    old_ends_in_hours: StrictInt = Field(default=24, ge=0, le=LONGEST_OVERLAP_HOURS, examples=[24])


class KeyAnswer(WireModel):
    """A key, without its secret."""

    key_id: str = Field(description=f"The {KEY_ID}.", examples=["6c1f0a52b3d94e87"])
    practice_id: str | None = Field(
        description="Null for an operator's key.", examples=["lantern-harbour"]
    )
    scopes: list[str] = Field(examples=[["clients:read", "events:write"]])
    label: str = Field(examples=["till, main street"])
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = Field(
        description="When it ends, or has ended; null: when it is revoked.", examples=[None]
    )
    revoked_at: AwareDatetime | None = Field(examples=[None])
    last_used_at: AwareDatetime | None = Field(
        description="When this service let it in last, a minute late at most; null: never.",
        examples=["2026-03-02T09:30:00Z"],
    )

    @classmethod
    def of(cls, row: KeyRow) -> Self:
        """The answer for a stored key."""
        return cls(
            key_id=row.id,
            practice_id=row.practice_id,
            scopes=list(row.scopes),
            label=row.label,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )


class NewKeyAnswer(KeyAnswer):
    """A key that was just made, with its secret."""

    key: str = Field(
        description="The key whole, as `Authorization: Bearer …` takes it: shown this one time.",
        examples=["rk_6c1f0a52b3d94e87_dGhpcyBpcyBhbiBleGFtcGxlIG9mIGEgc2VjcmV0IQ"],
    )
