"""The doors of a service's API: writing events, reading what is there."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench.doors.door import Door, Parties, Start, Waited, logged, new_run, waited
from tools.bench.order import Order

CLOSED_LOOP, QUIET, AT_ONCE = 8, 32, 64
"""Connections: to find the capacity, of the quiet practices, of the flood."""
MOST_A_SECOND = 2_500
LEAST_ANSWERS, CAPACITY_SECONDS = 50, 60.0
"""A capacity is of so many answers at least, and is not looked for longer than this."""
GRACE_SECONDS = 10.0
FLOOD_SECONDS = 180.0
"""A flood ends with the quiet practices' time; this is only so that it ends in any case."""

Wanted = Mapping[str, Any]
"""`batch` or `paths` of `Order.requests`."""


@dataclass
class RestDoor(Door):
    """One API. The quiet practices send `quiet`, the flooder `flood`, each of which counts for
    `units` of theirs when a flood is as large as so many seconds of the capacity."""

    folder: Path
    parties: Parties
    port: int
    keys: Mapping[str, str]
    quiet: Wanted
    flood: Wanted
    title: str
    unit: str = "requests"
    units: float = 1.0

    def capacity(self, seconds: float) -> float:
        """See `Door.capacity`. Where few are answered it takes longer; raises RuntimeError when
        that is of no use."""
        while seconds <= CAPACITY_SECONDS:
            records = int(MOST_A_SECOND * seconds)
            order = self._order(
                self.parties.quiet, self.quiet, records, CLOSED_LOOP, seconds=seconds
            )
            with logged(self.folder, "requests", order) as load:
                load.go()
                done = load.outcome()
            if done.records >= LEAST_ANSWERS:
                return done.rate
            seconds *= 4
        raise RuntimeError(f"{done.records} requests were answered")

    @contextmanager
    def flooded(self, seconds_worth: float, capacity: float) -> Iterator[Start]:
        """See `Door.flooded`."""
        records = max(1, int(seconds_worth * capacity / self.units))
        flooder = [self.parties.flooder]
        order = self._order(flooder, self.flood, records, AT_ONCE, seconds=FLOOD_SECONDS)
        with logged(self.folder, "requests", order) as flood:
            yield flood.go
            flood.told_to_end()
            done = flood.outcome()
            refused = int(done.parts["refused"])
            print(f"    of {records:,} requests {done.records:,} answered, {refused:,} refused")

    def paced(self, rate: float, seconds: float, start: Start = lambda: None) -> Waited:
        """See `Door.paced`."""
        order = self._order(
            self.parties.quiet,
            self.quiet,
            int(rate * seconds),
            QUIET,
            rate=rate,
            seconds=GRACE_SECONDS,
        )
        with logged(self.folder, "requests", order) as load:
            load.go()
            start()
            marks = load.outcome().marks
        sent, ended = (_of(marks, stage) for stage in ("sent ", "end "))
        return waited(sent, ended, until=time.time())

    def _order(
        self,
        practices: Sequence[str],
        wanted: Wanted,
        records: int,
        connections: int,
        *,
        rate: float = 0.0,
        seconds: float,
    ) -> Order:
        keys = {practice: self.keys[practice] for practice in practices}
        return Order(
            bootstrap="",
            database_url="",
            records=records,
            rate=rate,
            run=new_run("r"),
            practices=list(practices),
            requests={"port": self.port, "keys": keys, "connections": connections, **wanted},
            seconds=seconds,
        )


def _of(marks: Mapping[str, float], stage: str) -> dict[str, float]:
    return {name.removeprefix(stage): at for name, at in marks.items() if name.startswith(stage)}
