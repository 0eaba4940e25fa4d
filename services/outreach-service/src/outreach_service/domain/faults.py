"""What is wrong with a document, and at which place in it."""

from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[str | int, ...]
"""The keys and list positions that lead from the top of a document to one value."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a document; the problem never repeats the value."""

    place: Place
    problem: str

    @property
    def path(self) -> str:
        """The place as text, such as `plays[0].steps[1].channels`; empty for the whole document."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return "".join(steps).removeprefix(".")

    def __str__(self) -> str:
        """The fault as one line for a person."""
        return f"{self.path or 'the document'}: {self.problem}"


class InvalidDocument(ValueError):
    """A document that cannot be used; `faults` holds all that was found, in its order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
