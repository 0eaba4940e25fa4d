"""Random histories of what clients said and where they were reached, in any order of arrival."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from tests.support.oracles.client_word import Said, Told

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CLIENTS = ("ada", "ben", "eve")
CHANNELS = ("sms", "email")
PURPOSES = ("care", "marketing")
_ADDRESSES = {
    "sms": ("+8613800138000", "+8613800138001", "+8613800138002"),
    "email": ("family@example.org", "own@example.org", "work@example.org"),
}
_MINUTES = 12
"""So few that several things happen at once."""


class Arrival(NamedTuple):
    """A fact, and when it comes. `number` names a statement wherever it is repeated."""

    at: datetime
    number: int
    fact: Told | Said
    is_click: bool = False


@dataclass
class History:
    """A few clients with shared addresses, who move, agree, withdraw and click."""

    random: Random
    arrivals: list[Arrival] = field(default_factory=list)

    def __post_init__(self) -> None:
        for client in CLIENTS:
            for channel in CHANNELS[: self.random.randint(1, 2)]:
                self._moves(client, channel)
                for _ in range(self.random.randint(1, 4)):
                    self._statement(client, channel)
        again = self.random.choices(self.arrivals, k=self.random.randint(0, 4))
        # Old forms: sent again at any time later. A click, or an address of now, has its moment.
        self.arrivals += [
            each._replace(at=each.at + self._minutes())
            for each in again
            if not each.is_click and not (isinstance(each.fact, Told) and not each.fact.dated)
        ]
        self.arrivals.sort(key=lambda each: each.at)

    def facts(self, until: datetime) -> tuple[list[Told], list[Said]]:
        """What had come up to an instant."""
        facts = {each.fact for each in self.arrivals if each.at <= until}
        return (
            [each for each in facts if isinstance(each, Told)],
            [each for each in facts if isinstance(each, Said)],
        )

    def _moves(self, client: str, channel: str) -> None:
        is_dated = self.random.random() < 0.7
        for minute in self.random.sample(range(_MINUTES), self.random.randint(1, 3)):
            at = BEGAN + timedelta(minutes=minute)
            address = self.random.choice(_ADDRESSES[channel])
            told = Told(client, channel, address, at, is_dated)
            self._add(told, at + self._minutes() if is_dated else at)

    def _statement(self, client: str, channel: str) -> None:
        at = BEGAN + self._minutes()
        is_click = self.random.random() < 0.2
        granted = not is_click and self.random.random() < 0.7
        # A click: in a mail to where they are now, or in an old one to where they once were.
        mailbox = self.random.choice(_ADDRESSES[channel]) if is_click else None
        said = Said(client, channel, self.random.choice(PURPOSES), granted, at, mailbox)
        self._add(said, at if is_click else at + self._minutes(), is_click=is_click)

    def _add(self, fact: Told | Said, at: datetime, *, is_click: bool = False) -> None:
        self.arrivals.append(Arrival(at, len(self.arrivals), fact, is_click))

    def _minutes(self) -> timedelta:
        return timedelta(minutes=self.random.randrange(_MINUTES))


def histories(seed: int, count: int) -> Iterator[History]:
    """Histories that depend on the seed alone."""
    random = Random(seed)
    for _ in range(count):
        yield History(random)
