"""Wall and CPU seconds of this process, where they went, and how its memory grew."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.bench.order import Outcome

_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


class Stopwatch:
    """Wall and CPU seconds since it was made, and the wall seconds of named parts."""

    def __init__(self) -> None:
        self._begun, self._cpu = time.monotonic(), _cpu_seconds()
        self.parts: dict[str, float] = {}
        self._memory: list[tuple[int, float]] = []
        self._marks: dict[str, float] = {}

    def timed(self, owner: object, method: str, part: str) -> None:
        """Let every later call of `owner.method` count for `part`."""
        call: Callable[..., Any] = getattr(owner, method)
        self.parts[part] = 0.0

        def measured(*args: Any, **more: Any) -> Any:
            begun = time.monotonic()
            try:
                return call(*args, **more)
            finally:
                self.parts[part] += time.monotonic() - begun

        setattr(owner, method, measured)

    def longest(self, owner: object, method: str, part: str) -> None:
        """Let the longest of all later calls of `owner.method` count for `part`."""
        call: Callable[..., Any] = getattr(owner, method)
        self.parts[part] = 0.0

        def measured(*args: Any, **more: Any) -> Any:
            begun = time.monotonic()
            try:
                return call(*args, **more)
            finally:
                self.parts[part] = max(self.parts[part], time.monotonic() - begun)

        setattr(owner, method, measured)

    def note_memory(self, records: int) -> None:
        """Remember how large the process is after so many records."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self._memory.append((records, pages * _PAGE_MIB))

    def mark(self, name: str, at: float | None = None) -> None:
        """Remember when something first happened: now, or `at` (Unix time)."""
        self._marks.setdefault(name, time.time() if at is None else at)

    def outcome(self, records: int) -> Outcome:
        """What was measured up to now."""
        return Outcome(
            records=records,
            begun=self._begun,
            ended=time.monotonic(),
            cpu_seconds=_cpu_seconds() - self._cpu,
            peak_mib=_peak_mib(),
            parts=self.parts,
            memory=self._memory,
            marks=self._marks,
        )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mib() -> float:
    """This process's own: `ru_maxrss` is never below that of the process which started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
