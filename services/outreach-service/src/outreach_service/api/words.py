"""Open words in answers: texts of which the document lists those that are known today.

What a caller sends is checked against closed lists instead.
"""

from typing import Annotated, Any

from pydantic import Field

from outreach_service.ports.reads import PersonalData
from rapport_contracts.words import (
    CHANGE_REASONS,
    CHANNELS,
    MESSAGE_STATES,
    OCCASION_KINDS,
    PURPOSES,
)


def _open(words: tuple[str, ...], example: str) -> Any:
    return Field(examples=[example], json_schema_extra={"x-open-enum": list(words)})


PurposeWord = Annotated[str, _open(PURPOSES, "care")]
ChannelWord = Annotated[str, _open(CHANNELS, "sms")]
StateWord = Annotated[str, _open(MESSAGE_STATES, "deferred")]
ChangeReasonWord = Annotated[str, _open(CHANGE_REASONS, "elapsed_time")]
PersonalDataWord = Annotated[str, _open(tuple(map(str, PersonalData)), "preferences")]
OccasionKindWord = Annotated[str, _open(OCCASION_KINDS, "tier")]
