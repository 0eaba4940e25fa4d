"""Waits in milliseconds, from when something was sent to its end; and whose turn it is."""

import math
from collections.abc import Mapping, Sequence


def waits(sent: Mapping[str, float], ended: Mapping[str, float], until: float) -> list[float]:
    """The waits of all that was sent (instants in seconds), in milliseconds, sorted.

    What had not ended at `until` counts as a wait up to then: its real wait is longer.
    """
    return sorted(1000 * (min(ended.get(one, until), until) - at) for one, at in sent.items())


def centile(sorted_waits: Sequence[float], share: float) -> float:
    """The wait that this share of all stay within. Raises ValueError when there are none."""
    if not sorted_waits:
        raise ValueError("nothing was sent")
    return sorted_waits[math.ceil(share * len(sorted_waits)) - 1]


def after_warm_up(sent: Mapping[str, float], seconds: float) -> Mapping[str, float]:
    """What was sent when the first so many seconds had passed."""
    begun = min(sent.values(), default=0.0)
    return {one: at for one, at in sent.items() if at >= begun + seconds}


def in_turn(names: Sequence[str], index: int) -> str:
    """The name whose turn it is: each once before any twice."""
    return names[index % len(names)]


def client_number(index: int, clients: int) -> int:
    """Which client of a practice the event of this index is about: every fourth event is about
    client 0, as of people without a number of their own, the others in turn."""
    return 0 if index % 4 == 0 else 1 + index % (clients - 1)
