"""The bodies and answers of the REST API; the events themselves are in rapport_contracts."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from rapport_contracts.source import Name

_FIRST_YEAR, _LAST_YEAR = 1990, 9000


class WireModel(BaseModel):
    """The base of every body and answer: immutable; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PracticeBody(WireModel):
    """The practice to register, or its new name."""

    name: str = Field(
        min_length=1, max_length=200, pattern=r"\S", examples=["Lakeside Counselling"]
    )
    zone: str = Field(
        description="IANA time zone. It decides the day of each event; it cannot change.",
        examples=["Asia/Shanghai"],
        json_schema_extra={"format": "iana-time-zone"},
    )
    currency: str = Field(
        pattern="^[A-Z]{3}$",
        description="ISO 4217. Payments in another currency are refused; it cannot change.",
        examples=["CNY"],
    )


class PracticeAnswer(PracticeBody):
    """A practice as it is registered."""

    practice_id: str = Field(examples=["lakeside"])


class ClientBody(WireModel):
    """How a source names a client; the same pair always gives the same client."""

    source: Name = Field(description="The `source` of its events.", examples=["booking-desk"])
    external_id: Name = Field(
        description="The `subject` of its events. Use a pseudonym, not a name or number.",
        examples=["c-1042"],
    )


class ClientAnswer(ClientBody):
    """A client. `client_id` is random; all other calls and services use it."""

    client_id: str


class ItemOutcome(WireModel):
    """The outcome of one event of the request, in the order sent."""

    index: int = Field(description="The event's place in the request, from 0.")
    id: str | None = Field(description="The event's `id`; null when it has none.")
    outcome: Literal["accepted", "duplicate", "rejected"] = Field(
        description="accepted: the event is stored and counts. duplicate: the same event is stored"
        " already, nothing changed. rejected: nothing is stored, see `reason`."
    )
    reason: str | None = Field(default=None, examples=["currency-mismatch"])
    field: str | None = Field(
        default=None, description="JSON pointer into the event.", examples=["/data/currency"]
    )
    detail: str | None = Field(default=None, description="A sentence; never repeats the value.")


class EventsAnswer(WireModel):
    """One outcome for each event of the request."""

    items: list[ItemOutcome]


class ActivityAnswer(WireModel):
    """One signed change of a client's history, as it was published."""

    activity_id: str
    generation: int
    sequence: int = Field(description="Gapless per client and generation, from 1.")
    kind: Literal["registered", "booked", "completed", "no_show", "settled", "refunded"]
    on: date = Field(description="The practice-local day on which it counts.")
    count: int = Field(description="Signed: -1 takes back an older activity.")
    amount_minor: int = Field(description="Signed, in minor units of `currency`.")
    currency: str | None = None
    starts_at: AwareDatetime | None = Field(
        default=None, description="When the booked session starts."
    )
    occurred_at: AwareDatetime = Field(description="When the cause happened, by its source.")
    accepted_at: AwareDatetime = Field(
        description="Ingestion's time at which the cause was accepted."
    )
    refers_to: str | None = Field(default=None, description="The older activity that it corrects.")
    cause: str | None = Field(default=None, description="The id of the source event.")


class SourceAnswer(WireModel):
    """What one source has sent."""

    source: str
    events: int = Field(description="Accepted events, without duplicates and rejected ones.")
    last_occurred_at: AwareDatetime
    last_accepted_at: AwareDatetime


class SourcesAnswer(WireModel):
    """All sources of the practice, by name."""

    items: list[SourceAnswer]


def _in_calendar(instant: datetime) -> datetime:
    """Refuse years near the ends of the calendar: they overflow in some zone, and the clock could
    never be set back."""
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(f"must be of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return instant


class ClockBody(WireModel):
    """The simulated time to set."""

    now: Annotated[AwareDatetime, AfterValidator(_in_calendar)] = Field(
        description="In the years 1990 to 9000.", examples=["1997-01-01T00:00:00Z"]
    )


class ClockAnswer(WireModel):
    """The simulated time, and whether its watermark has been published."""

    now: AwareDatetime | None = Field(description="null before the clock is first set.")
    state: Literal["unset", "advancing", "ready"] = Field(
        description="ready: every partition of `client-activity.v1` has a watermark of at least"
        " `now`, after everything accepted before. advancing: not yet; ask again."
    )


MAX_EVENTS = 1000
