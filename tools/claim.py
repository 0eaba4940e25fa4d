"""One line of the proof: what is claimed, what was measured, the goal, and whether it holds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rapport_devkit.postgres import Postgres


@dataclass(frozen=True)
class Measured:
    """A claim with its figure of this run; `ok` False is a claim that falls short."""

    claim: str
    figure: str
    goal: str
    ok: bool


@dataclass(frozen=True)
class Bench:
    """What a measurement may stand on: a folder of its own and a running Postgres."""

    folder: Path
    postgres: Postgres
    seed: int
    say: Callable[[str], None]


Part = Callable[[Bench], Iterable[Measured]]
"""A group of claims that share one measurement."""


def none(claim: str, found: int) -> Measured:
    """A claim that something never happened."""
    return Measured(claim, f"{found:,}", "0", found == 0)


def all_of(claim: str, found: int, of: int) -> Measured:
    """A claim that everything did happen; nothing at all would be too little."""
    return Measured(claim, f"{found:,} of {of:,}", "all", found == of > 0)


def at_least(claim: str, found: int, goal: int) -> Measured:
    """A claim that something happened often enough."""
    return Measured(claim, f"{found:,}", f">= {goal:,}", found >= goal)


def at_most(claim: str, found: int, goal: int) -> Measured:
    """A claim that something stays within its goal."""
    return Measured(claim, f"{found:,}", f"<= {goal:,}", found <= goal)
