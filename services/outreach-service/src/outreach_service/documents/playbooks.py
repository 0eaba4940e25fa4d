"""The document of a playbook: its shape, its defaults, and the plays that it stands for."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from pydantic import Field, StrictBool

from outreach_service.documents.durations import Duration, PositiveDuration
from outreach_service.documents.reading import Several, StrictModel, Text, read
from outreach_service.domain.faults import InvalidDocument
from outreach_service.domain.playbook import (
    COUNTS_AS,
    Mode,
    Play,
    Playbook,
    Route,
    Step,
    Unless,
    When,
    faults_of,
)
from outreach_service.domain.templates import Catalogue, without_template
from outreach_service.domain.terms import Channel, Direction, Origin, Purpose, Reason

NEWS = timedelta(hours=36)
"""A rise is news: of use until the next evening."""
A_WHILE = timedelta(days=7)
"""A fall is none: whoever stays away may be asked within a week."""


class WhenDocument(StrictModel):
    """Which tier changes a play answers; without `from_tiers` or `to_tiers`, from or to any.

    Changes by activity, correction and time add up for as long as the play settles: time alone made
    them, `elapsed_time`, or they are of `activity`. A fall is answered only if time alone made it.
    """

    directions: Several[Direction]
    from_tiers: Several[Text] = Field(default_factory=list)
    to_tiers: Several[Text] = Field(default_factory=list)
    reasons: Several[Reason] = Field(default=[Reason.ACTIVITY, Reason.ELAPSED_TIME])
    origins: Several[Origin] = Field(default=[Origin.LIVE])

    def to_domain(self) -> When:
        return When(
            directions=frozenset(self.directions),
            from_tiers=frozenset(self.from_tiers),
            to_tiers=frozenset(self.to_tiers),
            reasons=frozenset(COUNTS_AS.get(each, each) for each in self.reasons),
            origins=frozenset(self.origins),
        )


def _falls(when: When) -> bool:
    return Direction.DOWNGRADED in when.directions


class UnlessDocument(StrictModel):
    """What makes a message pointless when it is seen before sending.

    What is left out is true for a play on a downgrade, and false for any other.
    """

    upcoming_booking: StrictBool = Field(default_factory=bool)
    newer_activity: StrictBool = Field(default_factory=bool)

    def to_domain(self, when: When) -> Unless:
        falls = _falls(when)
        given = self.model_dump(exclude_unset=True)
        return Unless(**{"upcoming_booking": falls, "newer_activity": falls, **given})


class RouteDocument(StrictModel):
    """One channel that a step may take, and the template it carries there."""

    channel: Channel
    template: Text


class StepDocument(StrictModel):
    """One intended contact: due `delay` after the change, by the first channel that is open."""

    channels: Several[RouteDocument]
    delay: Duration = timedelta()

    def to_domain(self) -> Step:
        routes = tuple(Route(channel=it.channel, template=it.template) for it in self.channels)
        return Step(delay=self.delay, routes=routes)


class PlayDocument(StrictModel):
    """What to say, how and when, after tier changes.

    It answers what those within `settles_after` come to, at their end. `expires_after` is how long
    it is of use from each due time, or from when that would have been, had the cause been told at
    once; when left out, a week for a play on a downgrade, and 36 hours for any other.
    """

    key: Text
    when: WhenDocument
    purpose: Purpose
    steps: Several[StepDocument]
    mode: Mode = Mode.OBSERVE
    unless: UnlessDocument = Field(default_factory=UnlessDocument)
    settles_after: Duration = timedelta(hours=2)
    expires_after: PositiveDuration = Field(default_factory=timedelta)

    def to_domain(self) -> Play:
        when = self.when.to_domain()
        return Play(
            key=self.key,
            when=when,
            purpose=self.purpose,
            mode=self.mode,
            unless=self.unless.to_domain(when),
            settles_after=self.settles_after,
            expires_after=self.expires_after or (A_WHILE if _falls(when) else NEWS),
            steps=tuple(step.to_domain() for step in self.steps),
        )


class PlaybookDocument(StrictModel):
    """A practice's plays, in the order in which they are compared with a tier change."""

    key: Text
    plays: Several[PlayDocument]

    def to_domain(self) -> Playbook:
        return Playbook(key=self.key, plays=tuple(play.to_domain() for play in self.plays))


def read_playbook(document: object) -> Playbook:
    """A playbook from parsed JSON. Raises InvalidDocument with all faults of its shape, or, when it
    has none, of its meaning."""
    playbook = read(PlaybookDocument, document).to_domain()
    faults = faults_of(playbook)
    if faults:
        raise InvalidDocument(faults)
    return playbook


def read_usable_playbook(document: object, catalogue: Catalogue) -> Playbook:
    """A playbook of which each route has a text. Raises InvalidDocument."""
    playbook = read_playbook(document)
    gaps = without_template(playbook, catalogue)
    if gaps:
        raise InvalidDocument(gaps)
    return playbook


def read_known_playbook(document: Mapping[str, Any]) -> Playbook:
    """`read_playbook` for a document that was valid when it was saved; equal documents are read
    once and remembered."""
    return _remembered(json.dumps(document, sort_keys=True))


def read_known_play(body: Mapping[str, Any]) -> Play:
    """The play that a message carries with it, as it was when the message was planned."""
    return read_known_playbook({"key": "saved", "plays": [body]}).plays[0]


@lru_cache(maxsize=256)
def _remembered(text: str) -> Playbook:
    return read_playbook(json.loads(text))
