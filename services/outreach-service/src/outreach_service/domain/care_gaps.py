"""Signals of care that have not come though later ones have: any of them may have noted a risk, so
the client's messages wait until they come, or a person says that they never will (ADR 52)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from outreach_service.domain.care import Flag, FlagKind, FlagState
from outreach_service.domain.generations import Client, Span, came_with

GAP: Final = "gap"
"""The id of the flag, of which a client has one at most."""


class Numbered(NamedTuple):
    """A signal of care that has come, by its number among its client's."""

    client: Client
    sequence: int
    accepted_at: datetime


def with_signals(
    known: Mapping[Client, tuple[Span, ...]], signals: Iterable[Numbered]
) -> Mapping[Client, tuple[Span, ...]]:
    """What has come of each client's numbers, with these; who has nothing new is left out."""
    came: dict[Client, tuple[Span, ...]] = {}
    for client, sequence, _ in signals:
        before = came.get(client, known.get(client, ()))
        after = came_with(before, sequence)
        if after is not None:
            came[client] = after
    return came


def gap_flag(client: Client, came: tuple[Span, ...], known: Flag | None, at: datetime) -> Flag:
    """The flag of what is missing, or is no longer. Its `sequence` is the last number that is
    missing; one that a person has lifted stays so until a later one is."""
    missing = last_missing(came)
    if missing == 0:
        state = FlagState.CLOSED
    elif known is not None and known.state is FlagState.LIFTED and missing <= known.sequence:
        state = FlagState.LIFTED
    else:
        state = FlagState.OPEN
    return Flag(*client, GAP, FlagKind.GAP, state, at, missing)


def last_missing(came: tuple[Span, ...]) -> int:
    """The last number that has not come though a later one has; 0 where none is missing."""
    return came[-1][0] - 1 if came else 0
