"""Where a message may go by the client's word, from the clients' own times alone.

It knows nothing of how or when anything came to the service, and imports no service code.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

END = datetime.max.replace(tzinfo=UTC)


class Told(NamedTuple):
    """From `at` on a client is reached at an address on a channel; at none when it is None. Of one
    that is not `dated` nobody has said since when: it was told at `at`."""

    client: str
    channel: str
    address: str | None
    at: datetime
    dated: bool


class Said(NamedTuple):
    """What a client said at `at`: yes or no to a purpose on a channel. `address` is the one whose
    mail they answered by a click, None for what they said elsewhere."""

    client: str
    channel: str
    purpose: str
    granted: bool
    at: datetime
    address: str | None = None


def address_at(told: Iterable[Told], client: str, channel: str, at: datetime) -> str | None:
    """Where the client was reached at an instant."""
    theirs = [each for each in told if (each.client, each.channel) == (client, channel)]
    before = [each for each in theirs if each.at <= at]
    if before:
        return max(before, key=lambda each: each.at).address
    first = min(theirs, key=lambda each: each.at, default=None)
    return first.address if first is not None and not first.dated else None


def may_go_to(
    told: Collection[Told], said: Collection[Said], client: str, channel: str, purpose: str
) -> str | None:
    """The address to which a message may go after all of this was said; None when it may not go.

    They said yes when they were reached where they are now; since then they did not say no, and
    neither did anybody at that address, wherever they are now.
    """
    where = address_at(told, client, channel, END)
    about = [each for each in said if (each.channel, each.purpose) == (channel, purpose)]
    yes = [
        each.at
        for each in about
        if each.granted and each.client == client and where in _places(told, each)
    ]
    no = [
        each.at
        for each in about
        if not each.granted and (each.client == client or where in _places(told, each))
    ]
    if where is None or not yes or (no and max(no) >= max(yes)):
        return None
    return where


def _places(told: Iterable[Told], said: Said) -> set[str | None]:
    return {said.address, address_at(told, said.client, said.channel, said.at)} - {None}
