"""Open words: a text of which this version of the contracts knows some values; others may come.

A reader that meets a value that it does not know passes over what it says, and goes on.
"""

from typing import Annotated, Final

import msgspec

SIGNAL_KINDS: Final = (
    "consulted",
    "visited",
    "enquired",
    "referral_made",
    "referral_converted",
    "engaged",
    "need_noted",
    "case_opened",
    "case_closed",
    "arrears_opened",
    "arrears_cleared",
    "need_consent_given",
    "need_consent_withdrawn",
    "override_begun",
    "override_ended",
    "neutral_begun",
    "neutral_ended",
)
"""The kinds of activity that other systems' signals cause."""
ACTIVITY_KINDS: Final = (
    "registered",
    "requested",
    "booked",
    "completed",
    "no_show",
    "cancelled",
    "settled",
    "refunded",
    *SIGNAL_KINDS,
)
CANCELLERS: Final = ("client", "counsellor", "system")
CHANGE_REASONS: Final = (
    "activity",
    "elapsed_time",
    "rulebook",
    "correction",
    "cohort",
    "merge",
    "override",
    "erasure",
    "rebuild",
    "zone",
)
GENERATION_REASONS: Final = ("merge", "rebuild", "zone", "erasure")
HOLD_REASONS: Final = ("silent", "deferred", "import")
ASSUMPTIONS: Final = ("no_activity", "cohort_unchanged")
OCCASION_KINDS: Final = ("tier",)
PURPOSES: Final = ("service", "care", "marketing")
CHANNELS: Final = ("wechat", "sms", "email")
MESSAGE_STATES: Final = (
    "drafted",
    "scheduled",
    "deferred",
    "sending",
    "awaiting_staff",
    "accepted",
    "delivered",
    "bounced",
    "failed",
    "suppressed",
    "cancelled",
    "expired",
    "unknown",
)


def open_enum(*values: str) -> msgspec.Meta:
    """1 to 64 characters; the values known today stand in the schema under `x-open-enum`."""
    return msgspec.Meta(
        min_length=1, max_length=64, extra_json_schema={"x-open-enum": list(values)}
    )


ActivityKind = Annotated[str, open_enum(*ACTIVITY_KINDS)]
Canceller = Annotated[str, open_enum(*CANCELLERS)]
ChangeReason = Annotated[str, open_enum(*CHANGE_REASONS)]
GenerationReason = Annotated[str, open_enum(*GENERATION_REASONS)]
HoldReason = Annotated[str, open_enum(*HOLD_REASONS)]
Assumption = Annotated[str, open_enum(*ASSUMPTIONS)]
OccasionKind = Annotated[str, open_enum(*OCCASION_KINDS)]
Purpose = Annotated[str, open_enum(*PURPOSES)]
Channel = Annotated[str, open_enum(*CHANNELS)]
MessageState = Annotated[str, open_enum(*MESSAGE_STATES)]
