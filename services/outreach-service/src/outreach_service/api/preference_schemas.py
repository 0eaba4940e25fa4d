"""Contact points and consents on the wire: of one client, and of many at once."""

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue

from outreach_service.api.schemas import ANY_CLIENT, ClientId, ClientIdAnswer
from outreach_service.api.words import ChannelWord, PurposeWord
from outreach_service.domain.consents import CurrentConsent, MaskedContact
from outreach_service.domain.terms import Channel, Purpose
from rapport_contracts.ranges import VISIBLE
from rapport_contracts.values import Happened, Name, Zone
from rapport_runtime.http.api_keys import KEY_ID

MAX_ITEMS: Final = 1000
LONGEST_NAME: Final = 200
Visible = Annotated[str, StringConstraints(pattern=VISIBLE)]
"""A text with at least one visible character."""
_Address = Annotated[str, StringConstraints(min_length=1, max_length=320)]


class ContactBody(BaseModel):
    """How to reach a client on a channel, and by what name to greet them."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    address: Annotated[_Address, Field(description="It is never returned again.")]
    name: Annotated[
        Visible,
        Field(
            max_length=LONGEST_NAME,
            description="By what name messages greet the client.",
            examples=["林小满"],
        ),
    ]
    language: Literal["zh-CN", "en"] = "zh-CN"
    valid_from: Annotated[
        Happened | None,
        Field(
            description="Since when the client has been reached there: what they consented to"
            " before holds for the address of then. Without it: since now, or since ever if no"
            " other address was theirs. Not more than 48 hours ahead; a time ahead counts as now,"
            " and so does that of another address.",
            examples=["2024-06-01T12:00:00+08:00"],
        ),
    ] = None
    zone: Annotated[
        Zone | None,
        Field(
            description="The IANA time zone where the client lives: quiet hours are those there."
            " Without one they are the practice's and, for SMS, those of the number's country too.",
            examples=["America/New_York"],
        ),
    ] = None

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Documents show one model for each channel, which generated code can choose from; OpenAPI
        documents name them by their titles.

        One model reads them all, so that a fault is told by field and not by alternative.
        """
        alternatives = _ALTERNATIVES.get(cls)
        if alternatives is None:
            return handler(core_schema)
        places = {
            channel: f"#/components/schemas/{model.__name__}"
            for channel, model in alternatives.items()
        }
        return {
            "title": cls.__name__,
            "description": cls.__doc__,
            "oneOf": [handler(model.__pydantic_core_schema__) for model in alternatives.values()],
            "discriminator": {"propertyName": "channel", "mapping": places},
        }


_PHONE: Final = Field(
    description="The number of a mobile phone, with + and country code; without, it is read as one"
    " of the practice's country. It is never returned again.",
    examples=["+8613800138000"],
    json_schema_extra={"format": "phone-number"},
)
_EMAIL: Final = Field(
    description="An e-mail address. It is never returned again.",
    examples=["lin@practice.example"],
    json_schema_extra={"format": "email"},
)
_OPENID: Final = Field(
    description="The client's openid under the practice's WeChat account. It is never returned"
    " again.",
    pattern=r"^[A-Za-z0-9_-]{20,64}$",
    examples=["oLVPpjqs9BhvzwPj5A-vTYAX3GLc"],
)


class SmsContact(ContactBody):
    """The phone on which a client gets SMS."""

    channel: Literal[Channel.SMS]
    address: Annotated[_Address, _PHONE]


class EmailContact(ContactBody):
    """The address at which a client gets e-mail."""

    channel: Literal[Channel.EMAIL]
    address: Annotated[_Address, _EMAIL]


class WechatContact(ContactBody):
    """The account with which a client gets WeChat messages."""

    channel: Literal[Channel.WECHAT]
    address: Annotated[_Address, _OPENID]


class ContactItem(ContactBody):
    """One contact of a bulk request."""

    client_id: ClientId


class SmsContactItem(SmsContact, ContactItem):
    """The phone on which one of the clients gets SMS."""


class EmailContactItem(EmailContact, ContactItem):
    """The address at which one of the clients gets e-mail."""


class WechatContactItem(WechatContact, ContactItem):
    """The account with which one of the clients gets WeChat messages."""


_ALTERNATIVES: Final[dict[type[BaseModel], dict[str, type[BaseModel]]]] = {
    ContactBody: {"sms": SmsContact, "email": EmailContact, "wechat": WechatContact},
    ContactItem: {
        "sms": SmsContactItem,
        "email": EmailContactItem,
        "wechat": WechatContactItem,
    },
}


ANY_CONSENT: Final[dict[str, Any]] = {
    "id": "form-2024-06-01-118-sms-care",
    "stated_at": "2024-06-01T12:00:00+08:00",
    "channel": "sms",
    "purpose": "care",
    "granted": True,
    "evidence": "form 2024-06-01, no. 118",
    "text_version": "care-2024-05",
}
_STATED_AT: Final = "2024-06-01T04:00:00Z"
"""The same instant, as answers show all of them: in UTC."""
ANY_SAVED: Final = {"index": 0, "outcome": "saved"}


class ConsentBody(BaseModel):
    """A client's consent to one purpose on one channel, or its withdrawal, with the proof.

    `id` is your own name of the statement. It is the same when the statement is sent again, and
    belongs to no other statement of the practice.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ANY_CONSENT]})

    id: Annotated[Name, Field(examples=["form-2024-06-01-118-sms-care"])]
    stated_at: Annotated[
        Happened,
        Field(
            description="When the client made it; a consent not more than 48 hours ahead.",
            examples=["2024-06-01T12:00:00+08:00"],
        ),
    ]
    channel: Channel
    purpose: Purpose
    granted: StrictBool = Field(
        description="false withdraws; the statement made last holds. A consent counts from when it"
        " was recorded, at the latest; so does a withdrawal that is more than 48 hours ahead."
    )
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

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**ANY_CONSENT, "client_id": ANY_CLIENT}]}
    )

    client_id: ClientId


class _Unread:
    """Shows a model in documents; the route reads each item alone, so that one that is wrong does
    not stop the others."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(
        self, _core_schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return self._model.__get_pydantic_json_schema__(
            self._model.__pydantic_core_schema__, handler
        )


class ContactItems(BaseModel):
    """Up to 1,000 contacts; each is accepted or rejected alone."""

    model_config = ConfigDict(extra="forbid")

    items: list[Annotated[Any, _Unread(ContactItem)]] = Field(min_length=1, max_length=MAX_ITEMS)


class ConsentItems(BaseModel):
    """Up to 1,000 consents; each is accepted or rejected alone. Of several for the same client,
    channel and purpose the one that was made last holds, of two made at once the withdrawal."""

    model_config = ConfigDict(extra="forbid")

    items: list[Annotated[Any, _Unread(ConsentItem)]] = Field(min_length=1, max_length=MAX_ITEMS)


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

    items: list[ItemOutcome] = Field(examples=[[ANY_SAVED]])


class ContactAnswer(BaseModel):
    """A contact point, masked."""

    client_id: ClientIdAnswer
    channel: ChannelWord
    address: str = Field(description="Its last characters.", examples=["***8000"])
    language: str = Field(examples=["zh-CN"])
    zone: str | None = Field(
        description="Where the client lives, if that is known.", examples=["America/New_York"]
    )

    @classmethod
    def of(cls, contact: MaskedContact) -> "ContactAnswer":
        """The answer for a masked contact."""
        return cls(
            client_id=contact.client_id,
            channel=contact.channel.value,
            address=contact.address,
            language=contact.language,
            zone=contact.zone,
        )


class ContactSaved(ContactAnswer):
    """A contact point as it was saved, masked."""

    current: bool = Field(
        description="Whether this is where messages go from now on. false: another contact is the"
        " client's since a later time, and goes on being used; this one only tells where the client"
        " was reached earlier.",
        examples=[True],
    )


class RestAnswer(BaseModel):
    """Why nothing is sent to a contact, and from when until when."""

    reason: str = Field(description="The provider's own word.", examples=["email:550 5.1.1"])
    since: AwareDatetime = Field(examples=["2024-06-01T04:00:00Z"])
    until: AwareDatetime | None = Field(
        description="null: until a new address, or a consent to the channel that is stated later."
    )


class KnownContact(ContactAnswer):
    """A contact point, masked, and whether it rests."""

    resting: RestAnswer | None = Field(
        description="Set when the provider said that nothing arrives there: messages take other"
        " ways, or are not sent."
    )

    @classmethod
    def of(cls, contact: MaskedContact) -> "KnownContact":
        """The answer for a masked contact."""
        shown = ContactAnswer.of(contact).model_dump()
        rest = contact.rest
        return cls(**shown, resting=None if rest is None else RestAnswer(**rest._asdict()))


class ConsentAnswer(BaseModel):
    """The statement that holds for one channel and purpose: the one that the client made last."""

    id: str = Field(examples=["form-2024-06-01-118-sms-care"])
    stated_at: AwareDatetime = Field(description="When the client made it.", examples=[_STATED_AT])
    channel: ChannelWord
    purpose: PurposeWord
    granted: bool
    evidence: str = Field(examples=["form 2024-06-01, no. 118"])
    text_version: str = Field(examples=["care-2024-05"])
    recorded_at: AwareDatetime = Field(
        description="The business time at which it came to Rapport.",
        examples=["2024-06-01T04:05:00Z"],
    )
    recorded_by: str = Field(
        description=f"The id of the API key that told it (the {KEY_ID}), or `one-click`.",
        examples=["0a1b2c3d4e5f6071"],
    )
    statements: int = Field(
        description="How many statements there are in all; none is ever removed."
    )
    applies: bool = Field(
        description="Whether messages may go to the client's contact by it: a consent was given"
        " for that contact, and nobody who has the same contact has withdrawn the purpose since."
    )

    @classmethod
    def of(cls, consent: CurrentConsent) -> "ConsentAnswer":
        """The answer for a stored consent."""
        statement = consent.statement._asdict()
        del statement["client_id"], statement["contact_index"]
        return cls(
            **statement,
            recorded_at=consent.recorded_at,
            recorded_by=consent.recorded_by,
            statements=consent.statements,
            applies=consent.applies,
        )


class ConsentSaved(BaseModel):
    """A consent, or its withdrawal, as it was recorded."""

    id: str = Field(examples=["form-2024-06-01-118-sms-care"])
    stated_at: AwareDatetime = Field(examples=[_STATED_AT])
    client_id: ClientIdAnswer
    channel: ChannelWord
    purpose: PurposeWord
    granted: bool


class PreferencesAnswer(BaseModel):
    """A client's contact points, and what they consented to."""

    client_id: ClientIdAnswer
    contacts: list[KnownContact]
    consents: list[ConsentAnswer]
