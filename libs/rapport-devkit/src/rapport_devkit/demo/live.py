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

_REFRESH_SECONDS = 1.0


class LiveView:
    """The display of a running replay; call it with each day's progress."""

    def __init__(self, console: Console, access: Access, days: int) -> None:
        self._access = access
        self._progress = Progress(
            TextColumn("[bold]{task.fields[on]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("days  {task.fields[rate]:,.0f} events/s  lag {task.fields[lag]}"),
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
            self._due = time.monotonic() + _REFRESH_SECONDS
            self._counts.plain = self._counted()

    def __enter__(self) -> Self:
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
        self._live.stop()
        if not self._console.is_terminal:
            self._console.line()

    def _counted(self) -> str:
        shares = self._access.practice["scoring"].get("/v1/distribution")["tiers"]
        lines = [
            f"  events sent {self._sent:,}",
            "  tiers " + " · ".join(f"{t['tier']} {t['clients']:,}" for t in shares),
        ]
        if "outreach" in self._access.practice:
            counts: Counter[str] = Counter()
            for row in self._access.practice["outreach"].get("/v1/messages/summary")["items"]:
                counts[row["state"]] += row["messages"]
            states = " · ".join(f"{state} {n:,}" for state, n in sorted(counts.items()))
            lines.append(f"  messages {states or '-'}")
        return "\n".join(lines)
