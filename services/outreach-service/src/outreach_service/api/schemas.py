"""The wire shapes of the outreach API."""

from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    StrictBool,
    StringConstraints,
)
from pydantic.config import JsonDict

from outreach_service.domain.consents import CurrentConsent, MaskedContact
from outreach_service.domain.message_views import MessageRow, MessageView
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import ChannelState
from outreach_service.ports.records import StoredPlaybook

MAX_ITEMS = 1000
LONGEST_NAME = 200


ClientId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{32}$"),
    Field(description="The client id that ingestion gave out."),
]
Visible = Annotated[str, StringConstraints(pattern=r"\p{L}|\p{M}|\p{N}|\p{P}|\p{S}")]
"""A text with at least one visible character."""
_ADDRESSES: dict[str, JsonDict] = {
    Channel.SMS: {"format": "phone-number"},
    Channel.EMAIL: {"format": "email"},
    Channel.WECHAT: {"pattern": r"^[A-Za-z0-9_-]{20,64}$"},
}


def _address_by_channel(schema: JsonDict) -> None:
    schema["anyOf"] = [
        {"properties": {"channel": {"const": channel}, "address": address}}
        for channel, address in _ADDRESSES.items()
    ]


class ContactBody(BaseModel):
    """How to reach a client on a channel, and by what name to greet them."""

    model_config = ConfigDict(json_schema_extra=_address_by_channel)

    channel: Channel
    address: Annotated[
        str,
        StringConstraints(min_length=1, max_length=320),
        Field(
            description="A phone number (with + and country code; without, it is read as a Chinese"
            " one), an e-mail address, or a WeChat openid. It is never returned again.",
        ),
    ]
    name: Annotated[Visible, Field(max_length=LONGEST_NAME, examples=["林小满"])]
    language: Literal["zh-CN", "en"] = "zh-CN"


class ContactItem(ContactBody):
    """One contact of a bulk request."""

    client_id: ClientId


class ConsentBody(BaseModel):
    """A client's consent to one purpose on one channel, or its withdrawal, with the proof."""

    channel: Channel
    purpose: Purpose
    granted: StrictBool = Field(description="false withdraws; the last statement holds.")
    evidence: Annotated[
        Visible,
        Field(
            max_length=500,
            description="Where the proof is kept.",
            examples=["form 2024-06-01, no. 118"],
        ),
    ]
    text_version: Annotated[
        Visible,
        Field(
            max_length=64,
            description="Which text the client was shown.",
            examples=["care-2024-05"],
        ),
    ]


class ConsentItem(ConsentBody):
    """One consent of a bulk request."""

    client_id: ClientId


class ContactItems(BaseModel):
    """Up to 1,000 contacts; each is accepted or rejected alone."""

    items: list[SkipValidation[ContactItem]] = Field(min_length=1, max_length=MAX_ITEMS)


class ConsentItems(BaseModel):
    """Up to 1,000 consents; each is accepted or rejected alone. Of several for the same client,
    channel and purpose the last one holds."""

    items: list[SkipValidation[ConsentItem]] = Field(min_length=1, max_length=MAX_ITEMS)


class ItemOutcome(BaseModel):
    """The outcome of one item of a bulk request; the detail never repeats a value."""

    index: int = Field(description="The item's place in the request, from 0.", examples=[0])
    outcome: Literal["saved", "rejected"]
    reason: str | None = Field(
        default=None,
        description="Why it was rejected, for programs.",
        examples=["invalid-address"],
    )
    pointer: str | None = Field(
        default=None,
        description="Where in the item: a JSON pointer (RFC 6901).",
        examples=["/address"],
    )
    detail: str | None = Field(
        default=None,
        description="Why it was rejected, for people.",
        examples=["is not a phone number"],
    )


class ItemOutcomes(BaseModel):
    """The outcome of each item, in the request's order."""

    items: list[ItemOutcome]


class ContactAnswer(BaseModel):
    """A contact point, masked."""

    client_id: str
    channel: Channel
    address: str = Field(examples=["***8000"])
    language: str

    @classmethod
    def of(cls, contact: MaskedContact) -> "ContactAnswer":
        """The answer for a masked contact."""
        return cls(**contact._asdict())


class ConsentAnswer(BaseModel):
    """The last statement about one channel and purpose."""

    channel: Channel
    purpose: Purpose
    granted: bool
    evidence: str
    text_version: str
    stated_at: AwareDatetime = Field(description="Business time.")
    statements: int = Field(
        description="How many statements there are in all; none is ever removed."
    )

    @classmethod
    def of(cls, consent: CurrentConsent) -> "ConsentAnswer":
        """The answer for a stored consent."""
        statement = consent.statement._asdict()
        del statement["client_id"]
        return cls(**statement, stated_at=consent.stated_at, statements=consent.statements)


class ConsentSaved(BaseModel):
    """A consent, or its withdrawal, as it was recorded."""

    client_id: str
    channel: Channel
    purpose: Purpose
    granted: bool
    stated_at: AwareDatetime


class PreferencesAnswer(BaseModel):
    """A client's contact points, and what they consented to."""

    client_id: str
    contacts: list[ContactAnswer]
    consents: list[ConsentAnswer]


class MessageAnswer(BaseModel):
    """A message's state and its reason; when it is decided on next, and when it expires."""

    message_id: str
    client_id: str
    play: str
    step: int
    tier_version: int
    purpose: Purpose
    mode: str = Field(examples=["observe", "approve", "send"])
    state: str
    reason: str | None = Field(examples=["quiet-hours"])
    channel: str | None
    approved: bool
    attempts: int
    due_at: AwareDatetime
    decide_at: AwareDatetime
    expires_at: AwareDatetime
    sent_at: AwareDatetime | None
    changed_at: AwareDatetime

    @classmethod
    def of(cls, row: MessageRow) -> "MessageAnswer":
        """The answer for a message's row."""
        return cls(**row._asdict())


class Cause(BaseModel):
    """The tier change that a message answers."""

    from_tier: str | None
    to_tier: str
    direction: str
    reason: str
    origin: str
    effective_at: AwareDatetime


class AttemptAnswer(BaseModel):
    """One call of a provider; without an outcome it is under way, or its worker died."""

    number: int
    channel: str
    started_at: AwareDatetime = Field(description="Real time.")
    business_at: AwareDatetime
    finished_at: AwareDatetime | None
    outcome: str | None
    code: str | None


class PreviewAnswer(BaseModel):
    """The text as it would be rendered now, or why it cannot be; the link in it does not work."""

    channel: str | None
    template: str | None
    template_version: int | None
    language: str | None
    subject: str
    body: str
    params: dict[str, str]
    missing: str | None = Field(examples=["no contact"])


class MessageDetail(MessageAnswer):
    """A message with its cause, its attempts and its text."""

    cause: Cause
    tries: list[AttemptAnswer]
    preview: PreviewAnswer

    @classmethod
    def of_view(cls, view: MessageView) -> "MessageDetail":
        """The answer for a message with all that belongs to it."""
        return cls(
            **view.row._asdict(),
            cause=Cause(**view.change),
            tries=[AttemptAnswer(**attempt._asdict()) for attempt in view.attempts],
            preview=PreviewAnswer(**vars(view.preview)),
        )


class CountAnswer(BaseModel):
    """The number of messages of one play, channel, state and reason."""

    play: str
    channel: str | None
    state: str
    reason: str | None
    messages: int


class SummaryAnswer(BaseModel):
    """All messages of a practice, counted by play, channel, state and reason."""

    items: list[CountAnswer]


class PlaybookAnswer(BaseModel):
    """The plays in force. Version 0 is the deployment's default."""

    version: int
    playbook: dict[str, Any]
    updated_at: AwareDatetime | None

    @classmethod
    def of(cls, stored: StoredPlaybook) -> "PlaybookAnswer":
        """The answer for a stored playbook."""
        return cls(version=stored.version, playbook=dict(stored.body), updated_at=stored.updated_at)


class PermitsAnswer(BaseModel):
    """The calls that the provider account allows now; all practices share it."""

    tokens: float
    per_second: float
    burst: float


class LastHour(BaseModel):
    """Attempts that began within the last hour, on the real clock."""

    attempts: int
    accepted: int
    rejected: int
    unknown: int


class ChannelAnswer(BaseModel):
    """The state of one channel."""

    channel: Channel
    configured: bool
    sending: Literal["off", "on"]
    permits: PermitsAnswer | None
    last_hour: LastHour
    waiting: int
    oldest_waiting_at: AwareDatetime | None = Field(description="Its due time; business time.")

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
        )


class ChannelsAnswer(BaseModel):
    """The state of all channels."""

    items: list[ChannelAnswer]
