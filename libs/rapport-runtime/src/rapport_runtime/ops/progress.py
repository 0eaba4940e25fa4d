"""How far a command has come, for a person: a bar on a terminal, else a line now and then."""

import time
from typing import Final, TextIO

_WIDTH: Final = 30
_LINES: Final = 20
"""So many lines tell of a whole command where there is no terminal."""


class Progress:
    """Writes to `out` how many of `total` things have been taken, which `what` names. `since` are
    those that were taken before this command began: the rate is of the others."""

    def __init__(self, out: TextIO, what: str, total: int, since: int = 0) -> None:
        self._out = out
        self._what = what
        self._total = max(total, 1)
        self._since = since
        self._began = time.monotonic()
        self._told = since * _LINES // self._total
        self._is_open = False

    def show(self, position: int) -> None:
        """So many have been taken now."""
        done = min(position, self._total)
        text = (
            f"{100 * done // self._total:3} %, {position:,} of {self._total:,} {self._what},"
            f" {self._rate(position):,} a second"
        )
        if self._out.isatty():
            bar = "#" * (_WIDTH * done // self._total)
            self._out.write(f"\r[{bar:<{_WIDTH}}] {text}\x1b[K")
            self._is_open = True
        elif (reached := done * _LINES // self._total) > self._told:
            self._told = reached
            self._out.write(f"{text}\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """A line of text, below the bar."""
        self.close()
        self._out.write(f"{text}\n")
        self._out.flush()

    def close(self) -> None:
        """End the line of the bar."""
        if self._is_open:
            self._out.write("\n")
            self._is_open = False

    def _rate(self, position: int) -> int:
        seconds = time.monotonic() - self._began
        return int((position - self._since) / seconds) if seconds else 0
