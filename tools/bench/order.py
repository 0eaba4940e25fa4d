"""What the bench asks of a candidate, and what it gets back."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Order:
    """The log, its length in records of all partitions, and an empty database of one's own.

    `members`: how many processes of the candidate's group share the log. `delay` is how long a
    relay of its own waits between looks, in seconds; 0 = until it is notified. `rate`: events a
    second, of the sender. `longest_seconds`: after which a worker gives up. `run` begins
    the ids of what is sent, for `practices` in turn, of `clients` of each, 0 = of few; `requests`
    describes HTTP requests, which go on for `seconds` at most.
    """

    bootstrap: str
    database_url: str
    records: int
    topic_prefix: str = ""
    members: int = 1
    delay: float = 0.0
    rate: float = 0.0
    longest_seconds: float = 900.0
    run: str = ""
    practices: list[str] = field(default_factory=list)
    clients: int = 0
    requests: Any = None
    seconds: float = 0.0
    rulebook: Any = None
    profile: bool = False


class Outcome(NamedTuple):
    """Records handled between two instants of the machine's monotonic clock, in seconds.

    With CPU seconds, peak memory in MiB, wall seconds of named parts, how memory went (records so
    far, resident MiB), when named things happened (Unix time in seconds), and how many batches were
    rolled back.
    """

    records: int
    begun: float
    ended: float
    cpu_seconds: float
    peak_mib: float
    parts: dict[str, float]
    memory: list[tuple[int, float]]
    marks: dict[str, float]
    rolled_back: int = 0

    @property
    def seconds(self) -> float:
        """Wall seconds."""
        return self.ended - self.begun

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def together(outcomes: list[Outcome]) -> Outcome:
    """What members of one group did between them, from the first start to the last end."""
    return Outcome(
        records=sum(one.records for one in outcomes),
        begun=min(one.begun for one in outcomes),
        ended=max(one.ended for one in outcomes),
        cpu_seconds=sum(one.cpu_seconds for one in outcomes),
        peak_mib=max(one.peak_mib for one in outcomes),
        parts={
            name: sum(one.parts.get(name, 0.0) for one in outcomes) for name in outcomes[0].parts
        },
        memory=outcomes[0].memory,
        marks={},
        rolled_back=sum(one.rolled_back for one in outcomes),
    )
