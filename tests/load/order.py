"""What the bench asks of a contender, and what it gets back."""

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Order:
    """The log, its length in records of all partitions, and an empty database of one's own."""

    bootstrap: str
    database_url: str
    records: int
    twin_records: int
    rulebook: Any
    profile: bool = False


class Outcome(NamedTuple):
    """Records handled, wall and CPU seconds, peak memory in MiB, wall seconds of named parts."""

    records: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    parts: dict[str, float]
