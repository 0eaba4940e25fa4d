"""The signals of care that other systems send, on a topic with an access list of its own: lenient
to extra keys, errors by field.

They hold codes and numbers, never words. As with other signals, the latest by its `time` of the
events with one `signal_id` says all that holds.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rapport_contracts.source_envelope import OfClient, OfKnown, SourceModel
from rapport_contracts.values import Name, WordlessCode

HIGHEST_SCALE = 100
Scale = Annotated[int, Field(strict=True, ge=1, le=HIGHEST_SCALE)]
Mark = Annotated[int, Field(strict=True, ge=0, le=HIGHEST_SCALE)]
MessageChannel = Literal["wechat", "sms", "email"]
MessagePurpose = Literal["service", "care", "marketing"]


class CareData(SourceModel):
    """The base of what an event of care says."""


class NamedCare(CareData):
    """The signal of the event. `signal_id` is the source's own, unique within the source; without
    it the signal is named by the event's `id`."""

    signal_id: Name | None = None


class KnownCare(NamedCare):
    """A signal of which several events tell."""

    signal_id: Name


class Marked(NamedCare):
    """A mark on a scale from 0, the worst, to `scale`, the best."""

    mark: Mark
    scale: Scale

    @model_validator(mode="after")
    def _is_on_its_scale(self) -> "Marked":
        """Refuse a mark beyond the scale."""
        if self.mark > self.scale:
            msg = "mark must not be above scale"
            raise ValueError(msg)
        return self


class Survey(Marked):
    """What a client answered to a survey, whose code it says."""

    survey: WordlessCode


class Complaint(KnownCare):
    """A complaint; `code` is the practice's own for what it is about."""

    code: WordlessCode | None = None


class Risk(KnownCare):
    """A risk; `level` is the practice's own code."""

    level: WordlessCode | None = None


class Consent(CareData):
    """What a client has stated about messages of one purpose on one channel. `evidence` says where
    the proof is kept, `text_version` which text the client was shown, both by codes."""

    channel: MessageChannel
    purpose: MessagePurpose
    evidence: WordlessCode
    text_version: WordlessCode


class SurveyAnswered(OfClient):
    """A client answered a survey."""

    type: Literal["rapport.care.survey_answered.v1"]
    data: Survey


class MoodReported(OfClient):
    """A client who has agreed to it told how they are."""

    type: Literal["rapport.care.mood_reported.v1"]
    data: Marked


class ComplaintOpened(OfClient):
    """A client has complained."""

    type: Literal["rapport.care.complaint_opened.v1"]
    data: Complaint


class ComplaintClosed(OfKnown):
    """A complaint was settled."""

    type: Literal["rapport.care.complaint_closed.v1"]
    data: KnownCare


class RiskNoted(OfClient):
    """Somebody has noted that a client may be at risk."""

    type: Literal["rapport.care.risk_noted.v1"]
    data: Risk


class RiskCleared(OfKnown):
    """The system that noted a risk says that it is over. Rapport's own flag stays until a person
    lifts it."""

    type: Literal["rapport.care.risk_cleared.v1"]
    data: KnownCare


class ConsentGiven(OfClient):
    """A client agreed to messages; `time` is when the client said so. Each event is a statement of
    its own, which only a later one takes back."""

    type: Literal["rapport.care.consent_given.v1"]
    data: Consent


class ConsentWithdrawn(OfClient):
    """A client wants no more messages; `time` is when the client said so, and may be any."""

    type: Literal["rapport.care.consent_withdrawn.v1"]
    data: Consent


class CareWithdrawn(OfKnown):
    """A signal was told by mistake: it counts for nothing, until it is told again, later."""

    type: Literal["rapport.care.withdrawn.v1"]
    data: KnownCare


CareEvent = (
    SurveyAnswered
    | MoodReported
    | ComplaintOpened
    | ComplaintClosed
    | RiskNoted
    | RiskCleared
    | ConsentGiven
    | ConsentWithdrawn
    | CareWithdrawn
)
