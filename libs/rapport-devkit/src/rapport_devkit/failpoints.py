"""Run a service with failpoints armed: `python -m rapport_devkit.failpoints MODULE [ARGUMENT ...]`.

RAPPORT_FAILPOINTS lists failpoints and their actions, separated by commas:
`NAME=ACTION[@N][~P[/SEED]]`. ACTION is `kill`, `raise`, `hang` or `sleep:SECONDS`. `@N`: only at
the N-th passing; `~P`: with probability P at each passing (repeatable by SEED, default 0); without
either: at every passing. Example: `after_db_commit=kill@3,in_tx=sleep:0.2~0.05/7`. `@PATH`: the
list is in a file; when the file changes it is read again, and all counts start at zero.

No image contains the devkit, so no production process can be started this way.
"""

import os
import random
import re
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rapport_runtime import failpoints

VARIABLE = "RAPPORT_FAILPOINTS"
_SPEC = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*)"
    r"=(?P<action>kill|raise|hang|sleep:(?P<seconds>\d+(\.\d+)?))"
    r"(@(?P<nth>[1-9]\d*))?"
    r"(~(?P<probability>0?\.\d+|1)(/(?P<seed>\d+))?)?"
)


class InvalidFailpoints(ValueError):
    """The text is not a list of failpoints; the message quotes the part that cannot be parsed."""


class FailpointRaised(RuntimeError):
    """What `raise` raises: an unexpected error, with which the process should end."""


@dataclass(frozen=True, kw_only=True)
class Failpoint:
    """One entry of the list. `nth` None means at every passing; `probability` 1 means always."""

    name: str
    action: str
    seconds: float = 0.0
    nth: int | None = None
    probability: float = 1.0
    seed: int = 0


def parse(text: str) -> list[Failpoint]:
    """The failpoints that a text lists; none for an empty text. Raises InvalidFailpoints."""
    return [_parse_one(part.strip()) for part in text.split(",") if part.strip()]


def _parse_one(part: str) -> Failpoint:
    found = _SPEC.fullmatch(part)
    if found is None:
        raise InvalidFailpoints(f"not NAME=ACTION[@N][~P[/SEED]]: {part!r}")
    return Failpoint(
        name=found["name"],
        action=found["action"].partition(":")[0],
        seconds=float(found["seconds"] or 0),
        nth=int(found["nth"]) if found["nth"] else None,
        probability=float(found["probability"] or 1),
        seed=int(found["seed"] or 0),
    )


class Armed:
    """Failpoints that count their passings and act when it is their turn; safe for threads."""

    def __init__(
        self, points: Iterable[Failpoint], perform: Callable[[Failpoint], None] | None = None
    ) -> None:
        self._perform = perform or _perform
        self._lock = threading.Lock()
        self._points: dict[str, list[tuple[Failpoint, random.Random]]] = {}
        self._passed: dict[str, int] = {}
        for point in points:
            chance = random.Random(f"{point.name}/{point.seed}")  # noqa: S311  # nosec B311
            self._points.setdefault(point.name, []).append((point, chance))

    def hit(self, name: str) -> None:
        """Pass the failpoint `name`; an action is logged to stderr before it runs."""
        if name not in self._points:
            return
        with self._lock:
            self._passed[name] = passed = self._passed.get(name, 0) + 1
            struck = [point for point, chance in self._points[name] if _due(point, chance, passed)]
        for point in struck:
            line = f"failpoint {name} at passing {passed}: {point.action}\n"
            os.write(sys.stderr.fileno(), line.encode())  # in one piece: other threads write too
            self._perform(point)


class ArmedByFile:
    """Failpoints that a file lists. To arm a running process, replace the file in one step, by a
    rename. No file is an empty list."""

    def __init__(self, path: Path, perform: Callable[[Failpoint], None] | None = None) -> None:
        self._path = path
        self._perform = perform
        self._read_at = 0
        self._armed = Armed(())

    def hit(self, name: str) -> None:
        """Pass the failpoint `name` as the file lists it now. Raises InvalidFailpoints."""
        written_at, text = self._read()
        if written_at != self._read_at:
            self._read_at = written_at
            self._armed = Armed(parse(text), self._perform)
        self._armed.hit(name)

    def _read(self) -> tuple[int, str]:
        """When the file was written, and its text; 0 and no text when it does not exist."""
        try:
            return self._path.stat().st_mtime_ns, self._path.read_text()
        except FileNotFoundError:
            return 0, ""


def _due(point: Failpoint, chance: random.Random, passed: int) -> bool:
    if point.nth is not None and passed != point.nth:
        return False
    return point.probability == 1 or chance.random() < point.probability


def _perform(point: Failpoint) -> None:
    if point.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif point.action == "raise":
        raise FailpointRaised(point.name)
    elif point.action == "hang":
        threading.Event().wait()
    else:
        time.sleep(point.seconds)


def main(argv: list[str]) -> None:
    """Arm the failpoints of the environment, then run the rest of `argv` as `python -m`."""
    if not argv:
        sys.exit(__doc__)
    try:
        failpoints.install(_listed(os.environ.get(VARIABLE, "")).hit)
    except InvalidFailpoints as problem:
        sys.exit(f"{VARIABLE}: {problem}")
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


def _listed(text: str) -> Armed | ArmedByFile:
    return ArmedByFile(Path(text[1:])) if text.startswith("@") else Armed(parse(text))


if __name__ == "__main__":
    main(sys.argv[1:])
