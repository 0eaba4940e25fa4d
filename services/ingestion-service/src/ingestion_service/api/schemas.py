"""The bodies and answers of the REST API; the events themselves are in rapport_contracts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from rapport_contracts.discreet import why_not_discreet
from rapport_contracts.examples import examples_of
from rapport_contracts.ranges import EARLIEST_HAPPENED, LATEST, NAME, REGION, regions
from rapport_contracts.values import Currency, Happened, Name, Zone
from rapport_contracts.words import ACTIVITY_KINDS, CANCELLERS

ANY_CLIENT: Final = "2fd2a63a675d5e4bb10c8a4dc82ba496"
_BOOKED: Final = examples_of("rapport.booking.created.v1")["first-hour"]
NAMESPACE, EXTERNAL_ID = _BOOKED["source"], _BOOKED["subject"]
"""Whom the examples of events name, so that the examples of all operations follow on each other."""


class WireModel(BaseModel):
    """The base of every body and answer: immutable; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _of_iso_3166(code: str) -> str:
    """Refuse what is no country code of ISO 3166-1."""
    if code not in regions():
        raise ValueError("must be a country code of ISO 3166-1, such as CN")
    return code


_DISCREET: Final = {
    "minLength": 1,
    "maxLength": 200,
    "pattern": NAME,
    "format": "discreet-name",
}


def _discreet(name: str) -> str:
    """Refuse a name that tells what clients come for."""
    if (why := why_not_discreet(name)) is not None:
        raise ValueError(why)
    return name


DiscreetName = Annotated[
    Name, AfterValidator(_discreet), WithJsonSchema({"type": "string", **_DISCREET})
]


def _without_default(member: dict[str, Any]) -> None:
    """A member that is left out says something else than one that is null."""
    member.pop("default", None)


class PracticeBody(WireModel):
    """The practice to register or to change.

    `region` and `discreet_name` stay as they are when they are left out; null deletes them.
    """

    name: Name = Field(examples=["灯港心理咨询 Lantern Harbour"])
    zone: Zone = Field(
        description="IANA time zone. It decides the day of each event; it cannot change.",
        examples=["Asia/Shanghai"],
    )
    currency: Currency = Field(
        description="ISO 4217. Payments in another currency are refused; it cannot change.",
        examples=["CNY"],
    )
    region: Annotated[str, Field(pattern=REGION), AfterValidator(_of_iso_3166)] | None = Field(
        default=None,
        description="The country's code in ISO 3166-1 alpha-2. Phone numbers without a country"
        " code are read in it.",
        examples=["CN"],
        json_schema_extra=_without_default,
    )
    discreet_name: DiscreetName | None = Field(
        default=None,
        description="The name that messages show. It may not say what clients come for: words such"
        " as counselling are refused, in English and Chinese, and so are links and characters that"
        " not every screen shows. Without one, messages of the practice wait"
        " (`practice-not-ready`) while sending is on.",
        examples=["Lantern Harbour"],
        json_schema_extra=_without_default,
    )
    undeclared_sources: Literal["wait", "accept"] = Field(
        default="wait",
        description="What becomes of an event whose source the practice has not declared. wait: it"
        " waits until the source is declared, or is refused where it came by REST or in a file."
        " accept: its source is declared by it, with a namespace of its own. Left out, it stays as"
        " it is; of a new practice it is `wait`.",
        json_schema_extra=_without_default,
    )


class PracticeAnswer(PracticeBody):
    """A practice as it is registered."""

    discreet_name: Name | None = Field(
        default=None,
        description="The name that messages show.",
        examples=["Lantern Harbour"],
        json_schema_extra=_without_default,
    )
    practice_id: str = Field(examples=["lantern-harbour"])


class Identity(WireModel):
    """How a client is named outside; the same pair always gives the same client."""

    namespace: Name = Field(
        description="The `source` of its events, or the namespace that it is declared with.",
        examples=[NAMESPACE],
    )
    external_id: Name = Field(
        description="The `subject` of its events. Use a pseudonym, not a name or number.",
        examples=[EXTERNAL_ID],
    )


def _either(schema: JsonSchemaValue, ways: Mapping[str, Collection[str]]) -> JsonSchemaValue:
    """One object for each way, by title, so that the document says which members go together."""
    members = schema["properties"]
    for member in members.values():
        member.pop("default", None)
    shown = [
        {
            "title": title,
            "type": "object",
            "properties": {name: members[name] for name in members if name in names},
            "required": [name for name in members if name in names],
            "additionalProperties": False,
        }
        for title, names in ways.items()
    ]
    return {"title": schema["title"], "description": schema["description"], "oneOf": shown}


class Person(WireModel):
    """A person by one identity, or by several."""

    namespace: Name = Field(
        default="",
        description="The `source` of the client's events, or the namespace that it is declared"
        " with.",
        examples=[NAMESPACE],
    )
    external_id: Name = Field(
        default="",
        description="The `subject` of the client's events. Use a pseudonym, not a name or number.",
        examples=[EXTERNAL_ID],
    )
    identities: Annotated[list[Identity], Field(min_length=1, max_length=20)] = Field(
        default=[], description="All of one person."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.model_fields_set not in _PERSONS.values():
            raise ValueError("must have namespace and external_id, or identities alone")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return _either(handler.resolve_ref_schema(handler(core)), _PERSONS)

    @property
    def all(self) -> Sequence[Identity]:
        """The identities, however they were given."""
        one = Identity.model_construct(namespace=self.namespace, external_id=self.external_id)
        return self.identities or [one]


_PERSONS: Final = {
    "PersonByIdentity": {"namespace", "external_id"},
    "PersonByIdentities": {"identities"},
}


class RegisteredClient(Identity):
    """The client of an identity, the first of those that were given. `client_id` is random; all
    other calls and services use it."""

    client_id: str = Field(examples=[ANY_CLIENT])


class ClientAnswer(WireModel):
    """A client with all its identities, by namespace and external id."""

    client_id: str = Field(
        description="Random; all other calls and services use it.", examples=[ANY_CLIENT]
    )
    known_since: AwareDatetime = Field(
        description="Ingestion's time at the client's first event or registration."
    )
    registered: bool = Field(
        description="Whether it was registered by `PUT /v1/clients`; false while it is known only"
        " from events."
    )
    identities: list[Identity]


class ClientKey(WireModel):
    """Which client: by `client_id`, or by one identity."""

    client_id: Name = Field(default="", examples=[ANY_CLIENT])
    namespace: Name = Field(default="", examples=[NAMESPACE])
    external_id: Name = Field(default="", examples=[EXTERNAL_ID])

    @model_validator(mode="after")
    def _names_one_client(self) -> Self:
        if self.model_fields_set not in _CLIENT_KEYS.values():
            raise ValueError("must have client_id alone, or namespace and external_id")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return _either(handler.resolve_ref_schema(handler(core)), _CLIENT_KEYS)


_CLIENT_KEYS: Final = {
    "ClientById": {"client_id"},
    "ClientByIdentity": {"namespace", "external_id"},
}


class ClientLookup(WireModel):
    """The clients to look up."""

    items: list[ClientKey] = Field(
        min_length=1,
        max_length=1000,
        examples=[[{"namespace": NAMESPACE, "external_id": EXTERNAL_ID}]],
    )


class FoundClient(WireModel):
    """What one item of a look-up found."""

    found: bool = Field(description="false: this practice has no such client.")
    client: ClientAnswer | None = Field(description="null when it was not found.")


class FoundClients(WireModel):
    """One answer for each item of the request, in its order."""

    items: list[FoundClient]


class ItemOutcome(WireModel):
    """The outcome of one event of the request, in the order sent."""

    index: int = Field(description="The event's place in the request, from 0.", examples=[0])
    id: str | None = Field(
        description="The event's `id`; null when it has none.", examples=["moon-2001"]
    )
    outcome: Literal["accepted", "duplicate", "parked", "rejected"] = Field(
        description="accepted: the event is stored and counts. duplicate: the same event is stored"
        " already, nothing changed. rejected: nothing is stored, see `reason`."
    )
    reason: str | None = Field(
        default=None,
        description="Why it was rejected, for programs; null for other outcomes.",
        examples=["currency-mismatch"],
    )
    pointer: str | None = Field(
        default=None,
        description="Where in the event: a JSON pointer (RFC 6901).",
        examples=["/data/currency"],
    )
    detail: str | None = Field(
        default=None,
        description="Why it was rejected, for people; it never repeats the value.",
        examples=["not the currency of this practice"],
    )
    took_back_visit: bool = Field(
        default=False,
        description="Whether a completed booking counts no longer because of this event: it was"
        " cancelled, rescheduled or marked as missed.",
    )


class EventsAnswer(WireModel):
    """One outcome for each event of the request."""

    items: list[ItemOutcome] = Field(
        examples=[
            [
                {
                    "index": 0,
                    "id": "moon-2001",
                    "outcome": "accepted",
                    "reason": None,
                    "pointer": None,
                    "detail": None,
                    "took_back_visit": False,
                }
            ]
        ]
    )


class ActivityAnswer(WireModel):
    """One signed change of a client's history, as it was published."""

    activity_id: str = Field(examples=["586f4f66-5dd8-5571-875b-8a2975148f62"])
    generation: int = Field(examples=[1])
    sequence: int = Field(description="Gapless per client and generation, from 1.")
    kind: str = Field(
        examples=["completed"], json_schema_extra={"x-open-enum": list(ACTIVITY_KINDS)}
    )
    on: date = Field(description="The practice-local day on which it counts.")
    count: int = Field(description="Signed: -1 takes back an older activity.")
    amount_minor: int = Field(description="Signed, in minor units of `currency`.", examples=[80000])
    currency: str | None = Field(default=None, examples=["CNY"])
    starts_at: AwareDatetime | None = Field(
        default=None, description="When the booked session starts."
    )
    occurred_at: AwareDatetime = Field(description="When the cause happened, by its source.")
    accepted_at: AwareDatetime = Field(
        description="Ingestion's time at which the cause was accepted."
    )
    refers_to: str | None = Field(
        default=None, description="The older activity that it corrects.", examples=[None]
    )
    object_id: str | None = Field(
        default=None,
        description="The booking or payment: random, and the same for ever.",
        examples=["28df85f497214ee95b87c9eae6680a5c"],
    )
    source: str | None = Field(
        default=None, description="The source of the causing event.", examples=["moon-gate-pay"]
    )
    cause_id: str | None = Field(
        default=None,
        description="The id of the causing event within `source`.",
        examples=["moon-2001"],
    )
    last_of_cause: bool = Field(
        description="No further activity of this client follows from that event.", examples=[True]
    )
    backfill: bool = Field(
        description="Its source reported that event as history.", examples=[False]
    )
    attributes: dict[str, str | int] = Field(
        description="The practice's own codes, such as `counsellor_id`; and `units`, the hours of a"
        " package.",
        examples=[{"counsellor_id": "c-07"}],
    )
    cancelled_by: str | None = Field(
        default=None,
        description="Who cancelled the booking; of `cancelled` alone.",
        examples=[None],
        json_schema_extra={"x-open-enum": list(CANCELLERS)},
    )
    cancelled_at: AwareDatetime | None = Field(
        default=None, description="When the booking was cancelled; of `cancelled` alone."
    )


class ClockBody(WireModel):
    """The simulated time to set."""

    now: Happened = Field(
        description=f"In the years {EARLIEST_HAPPENED.year} to {LATEST.year}.",
        examples=["1997-01-01T00:00:00Z"],
    )


class ClockAnswer(WireModel):
    """The simulated time, and whether its watermark has been published."""

    now: AwareDatetime | None = Field(description="null before the clock is first set.")
    state: Literal["unset", "advancing", "ready"] = Field(
        description="ready: every partition of `client-activity.v1` has a watermark of at least"
        " `now`, after everything accepted before. advancing: not yet; ask again."
    )


MAX_EVENTS = 1000
