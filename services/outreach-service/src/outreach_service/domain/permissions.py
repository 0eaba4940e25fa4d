"""Which messages a client's statements allow, by the client's time and not by arrival (L1).

A consent holds for the contact point that was the client's when they gave it; one that came later
needs its own. A withdrawal holds for all points of its client, and for everybody at the point that
was the client's when they withdrew, and at the one where a click was made: families share phones.
One that is dated ahead holds at once, and at each point that is theirs up to its date.
Each ends by a later statement of the client concerned, and by nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from outreach_service.domain.consents import CurrentConsent, RecordedStatement
from outreach_service.domain.contact_points import Point, point_of, points_between
from outreach_service.domain.terms import Channel, Purpose


class Permission(NamedTuple):
    """A client's consent that holds at a contact point: the latest there, which no later statement
    of the client has withdrawn."""

    channel: Channel
    purpose: Purpose
    blind_index: str
    granted_at: datetime


class OptOut(NamedTuple):
    """When a client last withdrew a purpose at a contact point. Nobody's consent that was given up
    to then holds there."""

    blind_index: str
    purpose: Purpose
    at: datetime


class ClientWord(NamedTuple):
    """What all statements of one client come to."""

    permissions: Sequence[Permission]
    opt_outs: Sequence[OptOut]


def client_word(
    points: Mapping[Channel, Sequence[Point]], statements: Iterable[RecordedStatement]
) -> ClientWord:
    """What a client's statements come to; `points` are those of each channel by time."""
    granted: dict[tuple[Channel, Purpose, str], datetime] = {}
    withdrawn: dict[tuple[Channel, Purpose], datetime] = {}
    opted_out: dict[tuple[str, Purpose], datetime] = {}
    for each in statements:
        said, at = each.statement, each.counts_at
        theirs = points.get(said.channel, ())
        if said.granted:
            index = point_of(theirs, said.stated_at, each.recorded_at)
            if index is not None:
                place = (said.channel, said.purpose, index)
                granted[place] = max(at, granted.get(place, at))
            continue
        subject = (said.channel, said.purpose)
        withdrawn[subject] = max(at, withdrawn.get(subject, at))
        there = points_between(theirs, min(at, each.recorded_at), at)
        for where in there | {*filter(None, [said.contact_index])}:
            opted_out[where, said.purpose] = max(at, opted_out.get((where, said.purpose), at))
    return ClientWord(
        [
            Permission(channel, purpose, index, at)
            for (channel, purpose, index), at in sorted(granted.items())
            if (channel, purpose) not in withdrawn or at > withdrawn[channel, purpose]
        ],
        [OptOut(index, purpose, at) for (index, purpose), at in sorted(opted_out.items())],
    )


def last_statements(statements: Sequence[RecordedStatement]) -> list[CurrentConsent]:
    """A client's last statement on each channel and purpose; of two at one time the withdrawal."""
    stated: dict[tuple[Channel, Purpose], list[RecordedStatement]] = {}
    for each in statements:
        stated.setdefault((each.statement.channel, each.statement.purpose), []).append(each)
    return [
        CurrentConsent(*max(all_of_it, key=_order), len(all_of_it))
        for _, all_of_it in sorted(stated.items())
    ]


def _order(recorded: RecordedStatement) -> tuple[datetime, bool, str]:
    return recorded.counts_at, not recorded.statement.granted, recorded.statement.id
