"""The wire shapes of the outreach API; those of contacts and consents are in preference_schemas."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from outreach_service.api.words import (
    ChangeReasonWord,
    ChannelWord,
    OccasionKindWord,
    PersonalDataWord,
    PurposeWord,
    StateWord,
)
from outreach_service.documents.schemas import EXAMPLE_PLAYBOOK
from outreach_service.domain.message_views import MessageRow, MessageView
from outreach_service.handlers.messages import CANCELLED_BY_STAFF
from outreach_service.ports import ChannelState
from outreach_service.ports.reads import DayOfReads
from outreach_service.ports.records import StoredPlaybook
from rapport_runtime.http.api_keys import KEY_ID

ANY_CLIENT = "2fd2a63a675d5e4bb10c8a4dc82ba496"
ClientId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{32}$"),
    Field(description="The client id that ingestion gave out.", examples=[ANY_CLIENT]),
]
ClientIdAnswer = Annotated[str, Field(examples=[ANY_CLIENT])]


ANY_MESSAGE: Final[dict[str, Any]] = {
    "message_id": "8aca65e60a135d60a3bc9d3c1b8ba235",
    "client_id": ANY_CLIENT,
    "play": "check-in",
    "step": 0,
    "occasion": {"kind": "tier", "id": "rfm:3"},
    "purpose": "care",
    "mode": "approve",
    "state": "awaiting_staff",
    "reason": "mode:awaiting-approval",
    "channel": None,
    "approved": False,
    "attempts": 0,
    "due_at": "2026-03-02T16:00:00Z",
    "decide_at": "2026-03-09T16:00:00Z",
    "expires_at": "2026-03-09T16:00:00Z",
    "sent_at": None,
    "changed_at": "2026-03-02T16:00:00Z",
}
"""It waits for a person since its time came."""
APPROVED_MESSAGE: Final = ANY_MESSAGE | {
    "state": "scheduled",
    "reason": None,
    "approved": True,
    "decide_at": "2026-03-03T01:30:00Z",
    "changed_at": "2026-03-03T01:30:00Z",
}
CANCELLED_MESSAGE: Final = ANY_MESSAGE | {
    "state": "cancelled",
    "reason": CANCELLED_BY_STAFF,
    "changed_at": "2026-03-03T01:30:00Z",
}
_SENT_MESSAGE: Final[dict[str, Any]] = APPROVED_MESSAGE | {
    "state": "accepted",
    "channel": "sms",
    "attempts": 1,
    "sent_at": "2026-03-03T01:30:01Z",
    "changed_at": "2026-03-03T01:30:02Z",
    "cause": {
        "scheme": "rfm",
        "version": 3,
        "from_tier": "silver",
        "to_tier": "bronze",
        "direction": "downgraded",
        "reason": "elapsed_time",
        "origin": "live",
        "effective_at": "2026-03-01T16:00:00Z",
    },
    "tries": [
        {
            "number": 1,
            "channel": "sms",
            "started_at": "2026-03-03T01:30:01Z",
            "business_at": "2026-03-03T01:30:01Z",
            "finished_at": "2026-03-03T01:30:02Z",
            "outcome": "accepted",
            "code": None,
        }
    ],
    "preview": {
        "channel": "sms",
        "template": "check-in",
        "template_version": 1,
        "language": "en",
        "subject": "",
        "body": "Ada, this is Lantern Harbour. How are you?",
        "params": {"name": "Ada"},
        "missing": None,
    },
}


class OccasionAnswer(BaseModel):
    """What a message answers."""

    kind: OccasionKindWord
    id: str = Field(
        description="Unique for the client and kind; for a tier change `scheme:version`.",
        examples=["rfm:3"],
    )


class MessageAnswer(BaseModel):
    """A message's state and its reason; when it is decided on next, and when it expires."""

    model_config = ConfigDict(json_schema_extra={"examples": [ANY_MESSAGE]})

    message_id: str = Field(examples=["8aca65e60a135d60a3bc9d3c1b8ba235"])
    client_id: ClientIdAnswer
    play: str = Field(description="The key of the play that planned it.", examples=["check-in"])
    step: int = Field(description="The step of the play, from 0.", examples=[0])
    occasion: OccasionAnswer
    purpose: PurposeWord
    mode: str | None = Field(
        description="Null once the play is no longer kept.",
        examples=["observe", "approve", "send"],
    )
    state: StateWord
    reason: str | None = Field(
        description="Why it is in this state, for programs.", examples=["quiet-hours"]
    )
    channel: ChannelWord | None = Field(
        description="The channel of its last decision; null before the first.", examples=["sms"]
    )
    approved: bool = Field(description="A person has approved it.")
    attempts: int = Field(description="Calls of a provider so far.", examples=[0])
    due_at: AwareDatetime
    decide_at: AwareDatetime = Field(description="When it is decided on next.")
    expires_at: AwareDatetime | None = Field(
        description="From here on it is not sent any more. Null once the play is no longer kept."
    )
    sent_at: AwareDatetime | None
    changed_at: AwareDatetime

    @classmethod
    def of(cls, row: MessageRow) -> "MessageAnswer":
        """The answer for a message's row."""
        return cls(**_columns(row))


class Cause(BaseModel):
    """The tier change that a message answers."""

    scheme: str = Field(examples=["rfm"])
    version: int = Field(description="Counts the client's changes within the scheme.", examples=[3])
    from_tier: str | None = Field(examples=["silver"])
    to_tier: str = Field(examples=["bronze"])
    direction: str = Field(examples=["downgraded"])
    reason: ChangeReasonWord
    origin: str = Field(examples=["live"])
    effective_at: AwareDatetime


class AttemptAnswer(BaseModel):
    """One call of a provider; without an outcome it is under way, or its worker died."""

    number: int = Field(description="From 1.")
    channel: ChannelWord
    started_at: AwareDatetime = Field(description="Real time.")
    business_at: AwareDatetime = Field(description="Business time at its start.")
    finished_at: AwareDatetime | None
    outcome: str | None = Field(examples=["accepted"])
    code: str | None = Field(description="The provider's own word.", examples=["OK"])


class PreviewAnswer(BaseModel):
    """The text as it would be rendered now, or why it cannot be; the link in it does not work."""

    channel: ChannelWord | None = Field(examples=["sms"])
    template: str | None = Field(examples=["check-in"])
    template_version: int | None
    language: str | None = Field(examples=["en"])
    subject: str = Field(description="Empty for channels without subjects.", examples=[""])
    body: str = Field(examples=["Ada, this is Lantern Harbour. How are you?"])
    params: dict[str, str] = Field(
        description="What the provider puts into its approved text.", examples=[{"name": "Ada"}]
    )
    missing: str | None = Field(
        description="Why there is no text; null when there is one.", examples=[None, "no contact"]
    )


class MessageDetail(MessageAnswer):
    """A message with its cause, its attempts and its text."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SENT_MESSAGE]})

    cause: Cause | None = Field(
        description="Null once it is no longer kept: of an old message the key and outcome stay."
    )
    tries: list[AttemptAnswer]
    preview: PreviewAnswer

    @classmethod
    def of_view(cls, view: MessageView) -> "MessageDetail":
        """The answer for a message with all that belongs to it."""
        return cls(
            **_columns(view.row),
            cause=None if view.change is None else Cause(**view.change),
            tries=[AttemptAnswer(**attempt._asdict()) for attempt in view.attempts],
            preview=PreviewAnswer(**vars(view.preview)),
        )


def _columns(row: MessageRow) -> dict[str, Any]:
    return {**row._asdict(), "occasion": row.occasion._asdict()}


class CountAnswer(BaseModel):
    """The number of messages of one play, channel, state and reason."""

    play: str = Field(examples=["check-in"])
    channel: ChannelWord | None = Field(examples=["sms"])
    state: StateWord = Field(examples=["suppressed"])
    reason: str | None = Field(examples=["no-consent"])
    messages: int = Field(examples=[9])


class SummaryAnswer(BaseModel):
    """All messages of a practice, counted by play, channel, state and reason."""

    items: list[CountAnswer]


class PlaybookAnswer(BaseModel):
    """The plays in force. Version 0 is the deployment's default."""

    version: int = Field(description="Counts up with each replacement.")
    playbook: dict[str, Any] = Field(
        description="As it was sent: the body of the request that replaces it.",
        examples=[EXAMPLE_PLAYBOOK],
    )
    updated_at: AwareDatetime | None = Field(description="null for the deployment's default.")

    @classmethod
    def of(cls, stored: StoredPlaybook) -> "PlaybookAnswer":
        """The answer for a stored playbook."""
        return cls(version=stored.version, playbook=dict(stored.body), updated_at=stored.updated_at)


class PermitsAnswer(BaseModel):
    """The calls that the provider account allows now; all practices share it."""

    tokens: float = Field(description="Calls that may begin at once.", examples=[5.0])
    per_second: float = Field(description="How fast they come back.", examples=[2.0])
    burst: float = Field(description="How many there are at most.", examples=[10.0])


class LastHour(BaseModel):
    """Attempts that began within the last hour, on the real clock."""

    attempts: int = Field(examples=[42])
    accepted: int = Field(examples=[41])
    rejected: int
    unknown: int = Field(description="They may have been sent.", examples=[0])


class ClosedAnswer(BaseModel):
    """Why a channel is closed for now; messages by it wait."""

    code: str = Field(
        description="The provider's own word.", examples=["sms:SignatureDoesNotMatch"]
    )
    since: AwareDatetime = Field(description="Real time.")
    until: AwareDatetime = Field(description="Real time; then one message tries it.")


class ChannelAnswer(BaseModel):
    """The state of one channel."""

    channel: ChannelWord
    configured: bool = Field(description="A provider's account is set up.")
    sending: Literal["off", "on"]
    permits: PermitsAnswer | None
    last_hour: LastHour
    waiting: int = Field(description="Messages that are due and wait.", examples=[3])
    oldest_waiting_at: AwareDatetime | None = Field(description="Its due time; business time.")
    closed: ClosedAnswer | None = Field(
        description="Set while the provider refuses the account, which all practices share."
    )

    @classmethod
    def of(cls, state: ChannelState) -> "ChannelAnswer":
        """The answer for a channel's state."""
        return cls(
            channel=state.setup.channel,
            configured=state.setup.is_configured,
            sending="on" if state.setup.is_sending else "off",
            permits=PermitsAnswer(**state.permits._asdict()) if state.permits else None,
            last_hour=LastHour(
                attempts=state.attempts,
                accepted=state.accepted,
                rejected=state.rejected,
                unknown=state.unknown,
            ),
            waiting=state.waiting,
            oldest_waiting_at=state.oldest_waiting_at,
            closed=ClosedAnswer(**state.closed._asdict()) if state.closed else None,
        )


class ChannelsAnswer(BaseModel):
    """The state of all channels."""

    items: list[ChannelAnswer]


class ReadsAnswer(BaseModel):
    """How often an API key read one kind of a client's data on one day."""

    day: date = Field(description="Of UTC.", examples=["2026-03-02"])
    key_id: str = Field(
        description=f"The {KEY_ID}.",
        examples=["6c1f0a52b3d94e87"],
    )
    key_label: str | None = Field(
        description="What the key was called when it was made; null when it has no label.",
        examples=["till, main"],
    )
    what: PersonalDataWord = Field(
        description="`message-text`: a text with the client's name; `preferences`: contact points,"
        " masked, and consents."
    )
    count: int = Field(description="How many answers showed it.", examples=[3])
    first_at: AwareDatetime = Field(examples=["2026-03-02T09:29:58Z"])
    last_at: AwareDatetime = Field(examples=["2026-03-02T16:00:00Z"])

    @classmethod
    def of(cls, reads: DayOfReads) -> "ReadsAnswer":
        """The answer for a row."""
        return cls(
            **reads.key._asdict(),
            key_label=reads.key_label,
            count=reads.count,
            first_at=reads.first_at,
            last_at=reads.last_at,
        )

    @property
    def place(self) -> tuple[str, str, str]:
        """Where it stands in the list; `ReadKey` as a cursor holds it."""
        return (self.day.isoformat(), self.key_id, self.what)
