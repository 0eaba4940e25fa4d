"""What `care-signals.v1` carries: the signals of care, as ingestion publishes them."""

from typing import Annotated

from rapport_contracts.envelope import Envelope, Instant, Payload, PracticeId, Sequence, Text
from rapport_contracts.ranges import EARLIEST, LATEST
from rapport_contracts.words import open_enum

CARE_KINDS = (
    "survey_answered",
    "mood_reported",
    "complaint_opened",
    "complaint_closed",
    "risk_noted",
    "risk_cleared",
    "consent_given",
    "consent_withdrawn",
    "withdrawn",
)
CareKind = Annotated[str, open_enum(*CARE_KINDS)]


class CareSignal(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """What holds of one signal of a client since `occurred_at`, in codes and numbers.

    `object_id` is the signal: random, and the same for ever. Of one signal the record with the
    latest `occurred_at` counts, of two with the same the one that comes later; `withdrawn` says
    that it was told by mistake. `sequence` is gapless per client, apart from that of activities;
    there are no generations, and a rebuild says nothing again. `source` and `cause_id` name the
    source event. `attributes` are the `mark` and `scale` of a mood and of a survey, whose code is
    `survey`; the `code` of a complaint; the `level` of a risk; `channel`, `purpose`, `evidence` and
    `text_version` of a consent.
    """

    client_id: Text
    sequence: Sequence
    kind: CareKind
    object_id: Text
    occurred_at: Instant
    accepted_at: Instant
    source: Text
    cause_id: Text
    backfill: bool = False
    attributes: dict[Text, Text | int | bool] = {}  # noqa: RUF012  # msgspec copies it

    def __post_init__(self) -> None:
        """Refuse an instant that no reader's calendar holds; the decoder reports it by field."""
        if not EARLIEST <= self.occurred_at < LATEST:
            msg = f"Expected {EARLIEST} or later, before {LATEST}, in field `occurred_at`"
            raise ValueError(msg)


class CareRecorded(Envelope, frozen=True, kw_only=True, tag="rapport.care.recorded.v1"):
    """`care-signals.v1`: a signal of care, or the correction of it."""

    practiceid: PracticeId
    data: CareSignal
