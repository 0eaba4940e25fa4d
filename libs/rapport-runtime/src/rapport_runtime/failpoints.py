"""Named places where a test may make a process die, wait or fail. Inert in production.

Nothing here reads the environment. Only the devkit's launcher, which no image contains, installs an
action.
"""

from collections.abc import Callable


def _inert(_name: str) -> None:
    """Do nothing: the action of every failpoint in production."""


_action: Callable[[str], None] = _inert


def install(action: Callable[[str], None]) -> None:
    """Call `action` with the name of each failpoint that is passed."""
    global _action
    _action = action


def hit(name: str) -> None:
    """Pass the failpoint `name`."""
    _action(name)
