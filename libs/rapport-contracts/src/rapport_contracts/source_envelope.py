"""What every event from outside has: its attributes, and whom it names."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rapport_contracts.ranges import EARLIEST_HAPPENED
from rapport_contracts.values import LATEST_ON, Happened, Name, PracticeId


class SourceModel(BaseModel):
    """The base of events from outside: extra keys are allowed and ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SourceEnvelope(SourceModel):
    """The attributes of CloudEvents 1.0 that every source event has."""

    specversion: Literal["1.0"]
    id: Name = Field(
        description="Yours: with `source` it names this event for ever. The same event again, with"
        " the same `id`, changes nothing."
    )
    source: Name = Field(
        description="The system that sends it, as the practice has declared it. Its name is the"
        " `namespace` of the client's identity, unless it is declared with another."
    )
    practiceid: PracticeId = Field(description="The practice whose client this is about.")
    time: Happened = Field(
        description="When it happened, by RFC 3339 with an offset:"
        f" {EARLIEST_HAPPENED.date()} to {LATEST_ON} in UTC, and not more than 48 hours ahead."
    )
    backfill: bool = Field(
        default=False,
        strict=True,
        description="true: the source reports history. Messages answer it only where a play says"
        " so.",
    )


class OfClient(SourceEnvelope):
    """An event that names its client: it may be the first about its booking or payment."""

    subject: Name = Field(
        description="The client's id in that source: the `external_id` of the client's identity."
        " Use a pseudonym, not a name or number."
    )


class OfKnown(SourceEnvelope):
    """An event about a booking or payment that another event has told or will tell of."""

    subject: Name | None = Field(
        default=None,
        description="The client's id in that source, as in the first event about the booking or"
        " payment. Leave it out where the source does not say it: the event then counts for the"
        " client of the booking or payment, and waits where that is not known yet.",
    )
