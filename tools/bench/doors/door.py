"""What the isolation bench asks of a door, and what it finds there."""

import itertools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rapport_devkit.processes import tail
from tools.bench.order import Order
from tools.bench.runs import Child, child
from tools.bench.waits import after_warm_up, centile, waits

WARM_UP_SECONDS = 1.0
Start = Callable[[], None]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Parties:
    """The practices whose waits are measured, and the one that floods. For plain first in, first
    out they are one practice: what it floods with stands before what it then waits for."""

    quiet: Sequence[str]
    flooder: str

    @property
    def everybody(self) -> Sequence[str]:
        """Each practice once."""
        return sorted({*self.quiet, self.flooder})


class Waited(NamedTuple):
    """Waits in milliseconds, sorted, and how many of them had not ended when the bench did."""

    waits: Sequence[float]
    unended: int

    @property
    def p99(self) -> float:
        """The wait that all but one in a hundred stay within."""
        return centile(self.waits, 0.99)


class Door(ABC):
    """One door, with its servers. A unit is whatever the quiet practices send by it."""

    title: str
    unit: str

    @abstractmethod
    def capacity(self, seconds: float) -> float:
        """Units a second when as many come as can be, found in about so many seconds."""

    @abstractmethod
    def flooded(self, seconds_worth: float, capacity: float) -> AbstractContextManager[Start]:
        """A flood that would take so many seconds of the capacity, all of it at once, made ready;
        gives what begins it, and at the end ends it."""

    @abstractmethod
    def paced(self, rate: float, seconds: float, start: Start = lambda: None) -> Waited:
        """What the quiet practices wait at so many units a second, for so long. `start` is called
        when they have begun."""


def waited(sent: Mapping[str, float], ended: Mapping[str, float], until: float) -> Waited:
    """The waits after the warm-up."""
    counted = after_warm_up(sent, WARM_UP_SECONDS)
    unended = sum(ended.get(one, until) >= until for one in counted)
    return Waited(waits(counted, ended, until), unended)


def new_run(what: str) -> str:
    """The beginning of ids that no other run has."""
    return f"{what}{next(_numbers)}{secrets.token_hex(4)}"


@contextmanager
def logged(folder: Path, candidate: str, order: Order) -> Iterator[Child]:
    """A candidate whose errors go to a log of its own; the log's end is told when it fails."""
    log = folder / f"{order.run}.log"
    with log.open("w") as errors:
        try:
            with child(candidate, order, errors) as made:
                made.await_ready()
                yield made
        except RuntimeError as error:
            error.add_note(tail(log))
            raise
