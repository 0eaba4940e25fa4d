"""The types that every decision of outreach shares: channels, purposes, a client's tier change, and
the occasion that a message answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class Channel(StrEnum):
    """How a message reaches a client, whichever vendor carries it."""

    WECHAT = "wechat"
    SMS = "sms"
    EMAIL = "email"


class Purpose(StrEnum):
    """Why a message is sent; consent, caps and quiet hours go by it."""

    SERVICE = "service"
    CARE = "care"
    MARKETING = "marketing"


class Direction(StrEnum):
    """Which way a client moved between tiers; `moved` is between tiers without order."""

    ENTERED = "entered"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    MOVED = "moved"
    LEFT = "left"


class Reason(StrEnum):
    """Why a client moved between tiers, as far as plays can ask for it; a change may come for
    another reason."""

    ACTIVITY = "activity"
    ELAPSED_TIME = "elapsed_time"
    RULEBOOK = "rulebook"
    CORRECTION = "correction"
    COHORT = "cohort"
    MERGE = "merge"
    OVERRIDE = "override"
    ERASURE = "erasure"
    REBUILD = "rebuild"
    ZONE = "zone"


class Origin(StrEnum):
    """Whether a change has just happened, or belongs to history that was imported."""

    LIVE = "live"
    BACKFILL = "backfill"


_REFUSED: Mapping[tuple[Channel, Purpose], str] = MappingProxyType(
    {
        (Channel.WECHAT, Purpose.MARKETING): (
            "WeChat template messages are service notices and may not carry marketing"
        )
    }
)
"""What a channel's provider refuses whatever the client consented to, and why (L14)."""


def permitted(channel: Channel, purpose: Purpose) -> bool:
    """Whether a channel's provider allows this purpose at all, whatever the client consented to."""
    return (channel, purpose) not in _REFUSED


def why_refused(channel: Channel, purpose: Purpose) -> str | None:
    """Why a channel's provider refuses this purpose, as a sentence; None when it allows it."""
    return _REFUSED.get((channel, purpose))


TIER: Final = "tier"
"""The kind of an occasion that is a tier change."""


class Occasion(NamedTuple):
    """What a message answers. The id is unique for a client and kind, and comes from what happened:
    the same occasion, told again, has the same id."""

    kind: str
    id: str


class Standing(NamedTuple):
    """A client's tier in the scheme that the practice acts on, and by which change."""

    scheme: str
    tier: str
    since: datetime
    version: int

    def is_after(self, other: "Standing | None") -> bool:
        """Whether it is newer than `other`. Instants come first: after a restore a version is given
        once more, while no change is in effect before an older one."""
        if other is None or other.scheme != self.scheme:
            return other is None or self.since >= other.since
        return (self.since, self.version) > (other.since, other.version)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One move of one client between the tiers of a scheme, as scoring published it
    (`rapport.tier.changed.v1`).

    `version` counts the client's changes within the scheme. `primary` says that the practice acts
    on the scheme. The ranks are the tiers' places in the scheme's order, 0 the lowest; None where
    it has none, and where its writer did not say them. `reason` may be a word that `Reason` does
    not have. `happened_at` is the time of the causing activity, None for a change by time; it may
    be after `effective_at`.
    """

    practice_id: str
    client_id: str
    scheme: str
    version: int
    primary: bool
    from_tier: str | None
    to_tier: str
    direction: Direction
    reason: str
    origin: Origin
    effective_at: datetime
    happened_at: datetime | None = None
    from_rank: int | None = None
    to_rank: int | None = None

    @property
    def client(self) -> tuple[str, str]:
        """Its client: practice id and client id."""
        return self.practice_id, self.client_id

    @property
    def standing(self) -> "Standing":
        """Where the client stands by this change."""
        return Standing(self.scheme, self.to_tier, self.effective_at, self.version)

    @property
    def occasion(self) -> Occasion:
        """The change as what messages answer."""
        return Occasion(TIER, f"{self.scheme}:{self.version}")
