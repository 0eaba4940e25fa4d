"""Sends events to the bus in simulated time: each day at noon, when all services are there."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rapport_contracts.source import SourceEvent
from rapport_devkit.clock import SimulatedClock, noon
from rapport_devkit.sources.dataset import Dataset, record_of
from rapport_runtime.bus.port import Outgoing, Producer

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a replay: `on` is the day that was sent last, `sent` counts records so far."""

    on: date
    days: int
    sent: int
    seconds: float
    lag: int | None

    @property
    def events_per_second(self) -> float:
        """Records a second since the start."""
        return self.sent / self.seconds if self.seconds else 0.0


Records = Callable[[Sequence[SourceEvent]], list[Outgoing]]
Report = Callable[[Progress], None]
AtNoon = Callable[[date], None]


def plain(events: Sequence[SourceEvent]) -> list[Outgoing]:
    """Each event once, unchanged."""
    return [record_of(event) for event in events]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Sends a dataset's events to the source topics, one simulated day after the other.

    `at_noon` is called with each day when all that was sent before has been read, `records` makes
    the day's events into records. The clock must have been set to the first day's
    noon, and clients be registered, before `run`.
    """

    clock: SimulatedClock
    producer: Producer
    zone: str
    records: Records = plain
    at_noon: AtNoon = lambda _on: None

    def run(self, dataset: Dataset, report: Report) -> Progress:
        """Replay everything, then step to one more noon, after which all of it has been read; calls
        `report` after each day. Raises BarrierTimeout, TryLater, ApiProblem."""
        began, sent, days = time.monotonic(), 0, 0
        for on, events in dataset.calendar():
            self.clock.step(noon(on, self.zone))
            self.at_noon(on)
            records = self.records(events)
            self.producer.publish(records)
            sent, days = sent + len(records), days + 1
            report(self._progress(on, days, sent, began))
        self.clock.step(noon(dataset.last_on + _ONE_DAY, self.zone))
        return self._progress(dataset.last_on, days, sent, began)

    def _progress(self, on: date, days: int, sent: int, began: float) -> Progress:
        return Progress(
            on=on, days=days, sent=sent, seconds=time.monotonic() - began, lag=self.clock.lag()
        )
