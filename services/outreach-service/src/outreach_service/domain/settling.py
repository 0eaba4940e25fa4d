"""Settling: what a client's tier changes within a short time come to, before any play answers.

An hour is done at 18:50 and paid at 18:55, and the client passes two tiers in five minutes; which
of both is read first is chance. So changes add up to one within a window of business time, and what
is said goes by where the client stood at its beginning and stands at its end.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from outreach_service.domain.terms import Change, Direction, Origin, Reason

_SETTLES = frozenset({Reason.ACTIVITY, Reason.CORRECTION, Reason.ELAPSED_TIME})


@dataclass(frozen=True)
class Window:
    """The changes of one client that have added up to `change` so far; what comes to be in effect
    at `ends_at`, or is heard after that, belongs to the next window."""

    settles_after: timedelta
    ends_at: datetime
    change: Change
    partition: int

    @property
    def answer(self) -> Change | None:
        """What the plays answer at its end. A rise is said whatever made it, a fall only if time
        alone made it; None for a client who is back where they were."""
        change = self.change
        if change.from_tier == change.to_tier:
            return None
        falls = change.direction in {Direction.DOWNGRADED, Direction.LEFT}
        return None if falls and change.reason != Reason.ELAPSED_TIME else change


class HeardChange(NamedTuple):
    """A change as its partition's log tells it: `heard_at` is the last watermark before it there,
    None before the first."""

    change: Change
    partition: int
    heard_at: datetime | None

    @property
    def settles(self) -> bool:
        """Whether it adds up with others. What a person, a rulebook or an import moved does not;
        it ends what it meets without a word, and only plays that ask for it answer."""
        return self.change.reason in _SETTLES and self.change.origin is Origin.LIVE


class Settled(NamedTuple):
    """The windows of a client after a change, and those that it has ended."""

    open: Mapping[timedelta, Window]
    ended: Collection[Window]


def settle(
    windows: Mapping[timedelta, Window], heard: HeardChange, lengths: Collection[timedelta]
) -> Settled:
    """Take a change into a client's open windows, of which there is one for each length of time
    that the practice's plays settle for.

    It is a function of the partition's log alone, so batches of any size give the same.
    """
    if not heard.settles:
        return Settled({}, ())
    after: dict[timedelta, Window] = {}
    ended = []
    for length in sorted({*windows, *lengths}):
        window = windows.get(length)
        if window is not None and _belongs(heard, window):
            after[length] = replace(window, change=_sum(window.change, heard.change))
            continue
        if window is not None and window.change.scheme == heard.change.scheme:
            ended.append(window)
        if length in lengths:
            after[length] = _opened(heard, length)
    at_once = after.pop(timedelta(), None)
    return Settled(after, [*ended, at_once] if at_once is not None else ended)


def _belongs(heard: HeardChange, window: Window) -> bool:
    if heard.change.scheme != window.change.scheme or heard.change.effective_at >= window.ends_at:
        return False
    return heard.heard_at is None or heard.heard_at < window.ends_at


def _opened(heard: HeardChange, length: timedelta) -> Window:
    """A window that begins with a change. One that is heard when it would be over, as from a source
    that sends once a night, begins then: what comes with it is heard a moment later."""
    change = heard.change
    begins_at = change.effective_at
    if length and heard.heard_at is not None and begins_at + length <= heard.heard_at:
        begins_at = heard.heard_at
    is_by_time = change.reason == Reason.ELAPSED_TIME
    change = replace(change, reason=Reason.ELAPSED_TIME if is_by_time else Reason.ACTIVITY)
    return Window(length, begins_at + length, change, heard.partition)


def _sum(before: Change, after: Change) -> Change:
    """Two changes in one: from where the first began to where the second ends. Time alone made it
    if it made both; it happened when the first of them did."""
    by_time = before.reason == after.reason == Reason.ELAPSED_TIME
    happened = [each.happened_at for each in (before, after) if each.happened_at is not None]
    return replace(
        after,
        from_tier=before.from_tier,
        from_rank=before.from_rank,
        direction=_direction(before, after),
        reason=Reason.ELAPSED_TIME if by_time else Reason.ACTIVITY,
        happened_at=min(happened, default=None),
    )


def _direction(before: Change, after: Change) -> Direction:
    if before.from_tier is None:
        return Direction.ENTERED
    if before.from_rank is None or after.to_rank is None:
        return before.direction if before.direction is after.direction else Direction.MOVED
    return Direction.UPGRADED if after.to_rank > before.from_rank else Direction.DOWNGRADED
