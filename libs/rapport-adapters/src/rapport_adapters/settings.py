"""What is declared of a source: whose it is, how it signs, what its system leaves out."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from rapport_contracts.values import Name, PracticeId


def _of_utf8(secret: SecretStr) -> SecretStr:
    """Refuse what has no bytes to sign with."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        msg = "must be text that UTF-8 can hold"
        raise ValueError(msg) from None
    return secret


Secret = Annotated[SecretStr, AfterValidator(_of_utf8)]
"""A text that signs or opens, never shown (S8)."""

Secrets = Annotated[
    tuple[Annotated[Secret, Field(min_length=8)], ...], Field(min_length=1, max_length=2)
]
"""The secret with which the system signs, at least 8 characters; while it is changed, the old and
the new one."""


class SourceSettings(BaseModel):
    """What every source declares: the practice, and the source's name there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    practice_id: PracticeId
    source: Name
