"""The words that every decision of outreach shares: channels, purposes, a client's tier change."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Channel(StrEnum):
    """How a message reaches a client; never the vendor behind it (ARCHITECTURE §6)."""

    WECHAT = "wechat"
    SMS = "sms"
    EMAIL = "email"


class Purpose(StrEnum):
    """Why a message is sent; consent, caps and quiet hours go by it (REQUIREMENTS §5.1)."""

    SERVICE = "service"
    CARE = "care"
    MARKETING = "marketing"


class Direction(StrEnum):
    """Which way a client moved between tiers."""

    ENTERED = "entered"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    LEFT = "left"


class Reason(StrEnum):
    """Why a client moved between tiers (ARCHITECTURE §5)."""

    ACTIVITY = "activity"
    ELAPSED_TIME = "elapsed_time"
    RULEBOOK = "rulebook"
    CORRECTION = "correction"
    COHORT = "cohort"
    MERGE = "merge"
    OVERRIDE = "override"
    ERASURE = "erasure"


class Origin(StrEnum):
    """Whether a change is news, or history that was only now read."""

    LIVE = "live"
    BACKFILL = "backfill"


NOT_PERMITTED = frozenset({(Channel.WECHAT, Purpose.MARKETING)})
"""WeChat template messages are service notices; marketing is not supported (RELIABILITY L14)."""


def permitted(channel: Channel, purpose: Purpose) -> bool:
    """Whether a channel's provider allows this purpose at all, whatever the client consented to."""
    return (channel, purpose) not in NOT_PERMITTED


@dataclass(frozen=True, kw_only=True)
class Change:
    """One move of one client between tiers, as scoring announced it (`rapport.tier.changed.v1`)."""

    practice_id: str
    client_id: str
    version: int
    from_tier: str | None
    to_tier: str
    direction: Direction
    reason: Reason
    origin: Origin
    effective_at: datetime


_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W|(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?)",
    re.ASCII,
)


def duration(text: str) -> timedelta:
    """An ISO 8601 duration of fixed length (weeks, days, hours, minutes, seconds) as a timedelta.

    Months and years have no fixed length and are refused. Raises ValueError.
    """
    found = _DURATION.fullmatch(text)
    if found is None or text == "P":
        msg = "not an ISO 8601 duration in weeks, days or time"
        raise ValueError(msg)
    return timedelta(**{unit: int(value) for unit, value in found.groupdict(default="0").items()})
