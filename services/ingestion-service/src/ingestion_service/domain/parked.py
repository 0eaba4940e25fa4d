"""How many events may wait for the booking or payment that they are about, and for how long."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from ingestion_service.domain.facts import PracticeId, SourceObjectKey
from ingestion_service.domain.intake_results import (
    TOO_MANY_PARKED,
    TOO_MANY_PARKED_OF_PRACTICE,
    IntakeResult,
)

MOST_OF_AN_OBJECT: Final = 1_000
MOST_OF_A_PRACTICE: Final = 100_000
"""How many are parked at the most. Workers that park at the same moment may park a few more."""
TERM: Final = timedelta(days=90)
"""How long one is parked before it becomes a dead letter, by ingestion's time."""


class Waiting(NamedTuple):
    """How many events are parked already, of objects and of practices; 0 where it is not said."""

    of_object: Mapping[SourceObjectKey, int]
    of_practice: Mapping[PracticeId, int]


NOTHING_WAITS: Final = Waiting({}, {})


class Room:
    """How many more events may be parked, as those of a batch are."""

    def __init__(self, waiting: Waiting) -> None:
        self._of_object = Counter(waiting.of_object)
        self._of_practice = Counter(waiting.of_practice)

    def refusal(self, key: SourceObjectKey) -> IntakeResult | None:
        """Why no other event about this object may be parked; None where one may be."""
        if self._of_object[key] >= MOST_OF_AN_OBJECT:
            return TOO_MANY_PARKED
        if self._of_practice[key.practice_id] >= MOST_OF_A_PRACTICE:
            return TOO_MANY_PARKED_OF_PRACTICE
        return None

    def take(self, key: SourceObjectKey) -> None:
        """One more is parked."""
        self._of_object[key] += 1
        self._of_practice[key.practice_id] += 1
