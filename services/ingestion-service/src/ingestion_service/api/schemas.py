"""What the REST face says and hears, as pydantic models; the events are the contract's."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from rapport_contracts.source import Name

_FIRST_YEAR, _LAST_YEAR = 1990, 9000


class WireModel(BaseModel):
    """The base of every body and answer: immutable; keys that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PracticeBody(WireModel):
    """A practice as it shall be."""

    name: str = Field(
        min_length=1, max_length=200, pattern=r"\S", examples=["Lakeside Counselling"]
    )
    zone: str = Field(
        description="IANA time zone. It decides which day an event belongs to; fixed once set.",
        examples=["Asia/Shanghai"],
        json_schema_extra={"format": "iana-time-zone"},
    )
    currency: str = Field(
        pattern="^[A-Z]{3}$",
        description="ISO 4217. Payments in another currency are refused; fixed once set.",
        examples=["CNY"],
    )


class PracticeAnswer(PracticeBody):
    """A practice as it is."""

    practice_id: str = Field(examples=["lakeside"])


class ClientBody(WireModel):
    """How a source names a client; the same two words always give the same client."""

    source: Name = Field(description="The `source` of its events.", examples=["booking-desk"])
    external_id: Name = Field(
        description="The `subject` of its events. Use a pseudonym, not a name or number.",
        examples=["c-1042"],
    )


class ClientAnswer(ClientBody):
    """A client by both names; `client_id` is ours, random, and the key of all that follows."""

    client_id: str


class ItemOutcome(WireModel):
    """What became of one event of the request, in the order sent."""

    index: int = Field(description="Its place in the request, from 0.")
    id: str | None = Field(description="The event's `id`, null where it had none.")
    outcome: Literal["accepted", "duplicate", "rejected"] = Field(
        description="accepted: written, counts from now on. duplicate: known already with the"
        " same content, nothing changed. rejected: not written, see `reason`."
    )
    reason: str | None = Field(default=None, examples=["currency-mismatch"])
    field: str | None = Field(
        default=None, description="JSON pointer into the event.", examples=["/data/currency"]
    )
    detail: str | None = Field(default=None, description="A sentence; never repeats the value.")


class EventsAnswer(WireModel):
    """One outcome for each event sent."""

    items: list[ItemOutcome]


class ActivityAnswer(WireModel):
    """One signed change of what a client's history counts, as it was published."""

    activity_id: str
    generation: int
    sequence: int = Field(description="Gapless per client and generation, from 1.")
    kind: Literal["registered", "booked", "completed", "no_show", "settled", "refunded"]
    on: date = Field(description="The practice-local day that it counts on.")
    count: int = Field(description="Signed: -1 takes back what an older activity said.")
    amount_minor: int = Field(description="Signed, in minor units of `currency`.")
    currency: str | None = None
    starts_at: AwareDatetime | None = Field(default=None, description="Of a booked hour.")
    occurred_at: AwareDatetime = Field(description="When the cause happened, says its source.")
    accepted_at: AwareDatetime = Field(description="Ingestion's time when it was accepted.")
    refers_to: str | None = Field(default=None, description="The older activity it corrects.")
    cause: str | None = Field(default=None, description="The source event's id.")


class SourceAnswer(WireModel):
    """What one source has sent so far."""

    source: str
    events: int = Field(description="Accepted events; duplicates and rejected ones not counted.")
    last_occurred_at: AwareDatetime
    last_accepted_at: AwareDatetime


class SourcesAnswer(WireModel):
    """All sources of the practice, by name."""

    items: list[SourceAnswer]


def _tellable(instant: datetime) -> datetime:
    """Refuse the ends of the calendar: time could then not be told in any zone, nor go back."""
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(f"must be of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return instant


class ClockBody(WireModel):
    """The simulated time that shall be."""

    now: Annotated[AwareDatetime, AfterValidator(_tellable)] = Field(
        description="Of the years 1990 to 9000.", examples=["1997-01-01T00:00:00Z"]
    )


class ClockAnswer(WireModel):
    """The simulated time, and whether all that follows has been told of it."""

    now: AwareDatetime | None = Field(description="null before the clock is first set.")
    state: Literal["unset", "advancing", "ready"] = Field(
        description="ready: a watermark of at least `now` was published on every partition of"
        " `client-activity.v1`, behind everything accepted before. advancing: not yet; ask again."
    )


MAX_EVENTS = 1000
