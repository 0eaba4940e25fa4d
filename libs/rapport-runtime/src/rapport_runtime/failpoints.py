"""Named places where a test may make a process die, wait or fail. Inert in production.

Nothing here reads the environment: only the devkit's launcher, which no image carries, installs
an action (RELIABILITY §5.1).
"""

from collections.abc import Callable


def _inert(_name: str) -> None:
    """Do nothing: what every failpoint does unless the devkit says otherwise."""


_action: Callable[[str], None] = _inert


def install(action: Callable[[str], None]) -> None:
    """Let `action` be called with the name of each failpoint that is passed."""
    global _action
    _action = action


def hit(name: str) -> None:
    """Pass the failpoint `name`."""
    _action(name)
