"""What follows from a tier change: plays as data, read strictly, so that a wrong one never runs."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from outreach_service.domain.terms import (
    Change,
    Channel,
    Direction,
    Origin,
    Purpose,
    Reason,
    duration,
    permitted,
)

MESSAGE_NAMESPACE = uuid.UUID("6f0c2f0e-6c0d-5b7e-9d6a-5c1a1f1f9b21")
"""The name space of message ids; changing it would give every message a second identity."""

LONGEST_LIST = 50
"""Plays, steps, words: each tier change of each client is held against all of them (S20)."""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class InvalidPlaybook(ValueError):
    """A playbook that cannot be used; `field` is the path of what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Mode(StrEnum):
    """Whether a play only notes what it would do, asks a person first, or sends."""

    OBSERVE = "observe"
    APPROVE = "approve"
    SEND = "send"


@dataclass(frozen=True, kw_only=True)
class When:
    """Which tier changes a play answers. An empty set of tiers means any.

    `from_tiers` is not asked of a change that comes from no tier (`entered`).
    """

    directions: frozenset[Direction]
    from_tiers: frozenset[str]
    to_tiers: frozenset[str]
    reasons: frozenset[Reason]
    origins: frozenset[Origin]

    def covers(self, change: Change) -> bool:
        """Whether this change is one of those that the play answers."""
        return (
            change.direction in self.directions
            and change.reason in self.reasons
            and change.origin in self.origins
            and (not self.to_tiers or change.to_tier in self.to_tiers)
            and (
                not self.from_tiers
                or change.from_tier is None
                or change.from_tier in self.from_tiers
            )
        )


@dataclass(frozen=True, kw_only=True)
class Unless:
    """What, seen before sending, makes a message pointless (ARCHITECTURE §5)."""

    upcoming_booking: bool
    newer_activity: bool


@dataclass(frozen=True, kw_only=True)
class Route:
    """One channel that a step may take, and the template it would carry there."""

    channel: Channel
    template: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One intended contact of a play: due `delay` after the change, by the first open route."""

    delay: timedelta
    routes: tuple[Route, ...]


@dataclass(frozen=True, kw_only=True)
class Play:
    """What to say, how and when, after a tier change. `expires_after` counts from each due time."""

    key: str
    when: When
    purpose: Purpose
    mode: Mode
    unless: Unless
    expires_after: timedelta
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """A practice's plays, in the order in which they were written."""

    key: str
    plays: tuple[Play, ...]


def plays_for(playbook: Playbook, change: Change) -> list[Play]:
    """The plays that answer this change, in the playbook's order."""
    return [play for play in playbook.plays if play.when.covers(change)]


def message_id(practice_id: str, client_id: str, play: str, tier_version: int, step: int) -> str:
    """The identity of a message (ARCHITECTURE §5): 32 hex digits, the same for the same arguments.

    It is also the provider's idempotency key; WeChat allows 32 characters (RELIABILITY §3.1).
    """
    parts = (practice_id, client_id, play, str(tier_version), str(step))
    name = "".join(f"{len(part)}:{part}," for part in parts)
    return uuid.uuid5(MESSAGE_NAMESPACE, name).hex


class _Reader:
    """A mapping that is read key by key, and complains by path about what is wrong or left over."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidPlaybook(path or "playbook", "must be an object")
        self._value: Mapping[str, Any] = value
        self._path = path
        self._seen: set[str] = set()

    def at(self, key: str) -> str:
        """The path of one key."""
        return f"{self._path}.{key}" if self._path else key

    def take(self, key: str, read: Callable[[object, str], T], *default: T) -> T:
        """The value of `key`, read by `read`; the default, when one is given and it is missing."""
        self._seen.add(key)
        if key not in self._value:
            if default:
                return default[0]
            raise InvalidPlaybook(self.at(key), "is missing")
        return read(self._value[key], self.at(key))

    def close(self) -> None:
        """Refuse keys that nobody asked for: a misspelt one would otherwise be silently ignored."""
        for key in self._value:
            if key not in self._seen:
                raise InvalidPlaybook(self.at(str(key)), "is not known")


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 64:
        raise InvalidPlaybook(path, "must be a text of 1 to 64 characters")
    return value


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidPlaybook(path, "must be true or false")
    return value


def _duration(value: object, path: str) -> timedelta:
    try:
        return duration(_text(value, path))
    except (ValueError, OverflowError) as problem:
        raise InvalidPlaybook(path, str(problem)) from problem


def _positive(value: object, path: str) -> timedelta:
    read = _duration(value, path)
    if not read:
        raise InvalidPlaybook(path, "must be longer than nothing")
    return read


def _word(kind: type[E]) -> Callable[[object, str], E]:
    def read(value: object, path: str) -> E:
        try:
            return kind(_text(value, path))
        except InvalidPlaybook:
            raise
        except ValueError as problem:
            raise InvalidPlaybook(path, f"must be one of {', '.join(kind)}") from problem

    return read


def _list(item: Callable[[object, str], T]) -> Callable[[object, str], tuple[T, ...]]:
    def read(value: object, path: str) -> tuple[T, ...]:
        if not isinstance(value, list) or not value:
            raise InvalidPlaybook(path, "must be a list that is not empty")
        if len(value) > LONGEST_LIST:
            raise InvalidPlaybook(path, f"must hold {LONGEST_LIST} at most")
        return tuple(item(each, f"{path}[{index}]") for index, each in enumerate(value))

    return read


def _set(item: Callable[[object, str], T]) -> Callable[[object, str], frozenset[T]]:
    def read(value: object, path: str) -> frozenset[T]:
        return frozenset(_list(item)(value, path))

    return read


def _when(value: object, path: str) -> When:
    reader = _Reader(value, path)
    when = When(
        directions=reader.take("directions", _set(_word(Direction))),
        from_tiers=reader.take("from_tiers", _set(_text), frozenset()),
        to_tiers=reader.take("to_tiers", _set(_text), frozenset()),
        reasons=reader.take(
            "reasons", _set(_word(Reason)), frozenset({Reason.ACTIVITY, Reason.ELAPSED_TIME})
        ),
        origins=reader.take("origins", _set(_word(Origin)), frozenset({Origin.LIVE})),
    )
    reader.close()
    return when


def _unless(default: Unless) -> Callable[[object, str], Unless]:
    def read(value: object, path: str) -> Unless:
        reader = _Reader(value, path)
        unless = Unless(
            upcoming_booking=reader.take("upcoming_booking", _flag, default.upcoming_booking),
            newer_activity=reader.take("newer_activity", _flag, default.newer_activity),
        )
        reader.close()
        return unless

    return read


def _route(purpose: Purpose) -> Callable[[object, str], Route]:
    def read(value: object, path: str) -> Route:
        reader = _Reader(value, path)
        channel = reader.take("channel", _word(Channel))
        if not permitted(channel, purpose):
            raise InvalidPlaybook(reader.at("channel"), f"{channel} may not carry {purpose} (L14)")
        route = Route(channel=channel, template=reader.take("template", _text))
        reader.close()
        return route

    return read


def _step(purpose: Purpose) -> Callable[[object, str], Step]:
    def read(value: object, path: str) -> Step:
        reader = _Reader(value, path)
        step = Step(
            delay=reader.take("delay", _duration, timedelta()),
            routes=reader.take("channels", _list(_route(purpose))),
        )
        reader.close()
        if len({route.channel for route in step.routes}) != len(step.routes):
            raise InvalidPlaybook(reader.at("channels"), "names a channel twice")
        return step

    return read


def _play(value: object, path: str) -> Play:
    reader = _Reader(value, path)
    when = reader.take("when", _when)
    purpose = reader.take("purpose", _word(Purpose))
    falls = Direction.DOWNGRADED in when.directions
    unless = Unless(upcoming_booking=falls, newer_activity=falls)
    play = Play(
        key=reader.take("key", _text),
        when=when,
        purpose=purpose,
        mode=reader.take("mode", _word(Mode), Mode.OBSERVE),
        unless=reader.take("unless", _unless(unless), unless),
        expires_after=reader.take("expires_after", _positive, timedelta(days=7)),
        steps=reader.take("steps", _list(_step(purpose))),
    )
    reader.close()
    return play


def parse_playbook(document: object) -> Playbook:
    """A playbook from parsed JSON. Raises InvalidPlaybook, which names the field by its path.

    Defaults: mode `observe`, reasons `activity` and `elapsed_time`, origin `live`, `expires_after`
    P7D, delay none; `unless` both true for a play on a downgrade, else both false (issue 3).
    """
    reader = _Reader(document, "")
    key = reader.take("key", _text)
    plays = reader.take("plays", _list(_play))
    reader.close()
    seen: set[str] = set()
    for index, play in enumerate(plays):
        if play.key in seen:
            raise InvalidPlaybook(f"plays[{index}].key", "is already taken")
        seen.add(play.key)
    return Playbook(key=key, plays=plays)
