"""What a practice allows: opening hours, caps, and how old its inputs may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from outreach_service.domain.quiet import DEFAULT_HOURS, Hours
from outreach_service.domain.terms import Channel, Purpose


class Scope(StrEnum):
    """Whose messages a cap counts: one client's, or all that went to one contact point."""

    CLIENT = "client"
    CONTACT = "contact"


@dataclass(frozen=True, kw_only=True)
class Cap:
    """At most `limit` messages of `purposes` per client or contact point in any `window`."""

    scope: Scope
    purposes: frozenset[Purpose]
    limit: int
    window: timedelta

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window <= timedelta() or not self.purposes:
            msg = "a cap needs a purpose, a limit of at least 1 and a window"
            raise ValueError(msg)


def _weekly(scope: Scope, limit: int, *purposes: Purpose) -> Cap:
    return Cap(scope=scope, purposes=frozenset(purposes), limit=limit, window=timedelta(days=7))


DEFAULT_CAPS = (
    _weekly(Scope.CLIENT, 2, Purpose.MARKETING),
    _weekly(Scope.CLIENT, 2, Purpose.CARE),
    _weekly(Scope.CLIENT, 3, Purpose.MARKETING, Purpose.CARE),
    _weekly(Scope.CONTACT, 3, Purpose.MARKETING, Purpose.CARE),
)
"""Rolling, over all channels (F30); service messages are not capped (L2)."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a practice allows: opening hours by purpose, caps, and how old its inputs may be.

    A client gets no text twice within `same_text_days` local days. The channels in `closed` are
    those for which this deployment has no account. By a channel and purpose in `without_way_out`
    nothing goes: its texts promise a way out that nobody would hear. With `asks_discreet_name`
    nothing goes in the name of a practice without a discreet one.
    """

    hours: Mapping[Purpose, Hours]
    caps: tuple[Cap, ...]
    longest_lag: timedelta
    same_text_days: int = 30
    closed: frozenset[Channel] = frozenset()
    without_way_out: frozenset[tuple[Channel, Purpose]] = frozenset()
    asks_discreet_name: bool = False

    @property
    def longest_window(self) -> timedelta:
        """How far back a rule may look at what was sent: a local day may have 25 hours."""
        return max([timedelta(days=self.same_text_days + 1), *(cap.window for cap in self.caps)])


DEFAULT_RULES = Rules(hours=DEFAULT_HOURS, caps=DEFAULT_CAPS, longest_lag=timedelta(minutes=15))
