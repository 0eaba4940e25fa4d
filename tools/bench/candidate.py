"""One candidate in its own process: `python -m tools.bench.candidate NAME`, spoken to by lines.

Reads its order (JSON), says `ready` when it holds its partitions, waits for `go`, prints what it
measured (JSON), and ends when its input does. So neither imports nor joining a group are part of
any figure, and members of one group start together.
"""

import json
import select
import sys
from collections.abc import Callable, Mapping

from tools.bench import bookings, ingestion_candidates, paced, paced_requests, scoring_candidates
from tools.bench.order import Order, Outcome


class Talk:
    """The candidate's side of the conversation with the bench."""

    def ready(self) -> None:
        """Report that it is ready, and wait for the order to start."""
        print("ready", flush=True)
        sys.stdin.readline()

    def over(self) -> bool:
        """Whether the bench has heard enough."""
        return bool(select.select([sys.stdin], [], [], 0)[0])

    def done(self, outcome: Outcome) -> None:
        """Hand over what was measured."""
        print(json.dumps(outcome._asdict()), flush=True)


CANDIDATES: Mapping[str, Callable[[Order, Talk], None]] = {
    "bare": scoring_candidates.bare,
    "per_event": scoring_candidates.per_event,
    "publishing": scoring_candidates.publishing,
    "worker": scoring_candidates.worker,
    "beside_relay": scoring_candidates.beside_relay,
    "relay": scoring_candidates.relay,
    "intake_per_event": ingestion_candidates.per_event,
    "intake_publishing": ingestion_candidates.publishing,
    "intake": ingestion_candidates.worker,
    "source": paced.source,
    "observer": paced.observer,
    "bookings": bookings.bookings,
    "requests": paced_requests.requests,
}

if __name__ == "__main__":
    CANDIDATES[sys.argv[1]](Order(**json.loads(sys.stdin.readline())), Talk())
