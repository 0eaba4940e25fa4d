"""The display while the replay runs: bar, simulated date, rate, lag and tiers."""

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rapport_devkit.access import Access
from rapport_devkit.replay import Progress as ReplayProgress
from rapport_devkit.words import Words

_REFRESH_SECONDS = 1.0
_LINE_SECONDS = 10.0
"""A file gets a line this often, where a terminal has a bar that moves."""

_RATE = "{task.fields[rate]:,.0f}"


class LiveView:
    """The display of a running replay; call it with each day's progress."""

    def __init__(self, console: Console, access: Access, days: int, words: Words) -> None:
        self._access = access
        self._words = words
        self._days = days
        self._progress = Progress(
            TextColumn("[bold]{task.fields[on]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(
                words("days  {rate} events/s  lag {lag}", rate=_RATE, lag="{task.fields[lag]}")
            ),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("replay", total=days, on="-", rate=0.0, lag="-")
        self._counts = Text("")
        self._live = Live(
            Group(self._progress, self._counts), console=console, refresh_per_second=4
        )
        self._due = 0.0
        self._sent = 0
        self._console = console

    def __call__(self, progress: ReplayProgress) -> None:
        """Show the progress; the counts below it are fetched once a second."""
        self._progress.update(
            self._task,
            completed=progress.days,
            on=progress.on.isoformat(),
            rate=progress.events_per_second,
            lag="-" if progress.lag is None else progress.lag,
        )
        self._sent = progress.sent
        if time.monotonic() >= self._due:
            if self._console.is_terminal:
                self._due = time.monotonic() + _REFRESH_SECONDS
                self._counts.plain = self._counted()
            else:
                self._due = time.monotonic() + _LINE_SECONDS
                self._print_line(progress)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._counts.plain = self._counted()
        if self._console.is_terminal:
            self._live.stop()
        elif error is None:
            self._console.print(self._counts)

    def _print_line(self, progress: ReplayProgress) -> None:
        line = self._words(
            "  {on}: day {day:,} of {days:,}, {sent:,} events sent",
            on=progress.on.isoformat(),
            day=progress.days,
            days=self._days,
            sent=progress.sent,
        )
        self._console.print(line, highlight=False, soft_wrap=True)

    def _counted(self) -> str:
        shares = self._access.practice["scoring"].get("/v1/distribution")["tiers"]
        tiers = " · ".join(f"{t['tier']} {t['clients']:,}" for t in shares)
        lines = [
            "  " + self._words("events sent {sent:,}", sent=self._sent),
            "  " + self._words("tiers {tiers}", tiers=tiers),
        ]
        if "outreach" in self._access.practice:
            counts: Counter[str] = Counter()
            for row in self._access.practice["outreach"].get("/v1/messages/summary")["items"]:
                counts[row["state"]] += row["messages"]
            states = " · ".join(f"{state} {n:,}" for state, n in sorted(counts.items()))
            lines.append("  " + self._words("messages {states}", states=states or "-"))
        return "\n".join(lines)
