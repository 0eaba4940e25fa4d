"""One contender in a process of its own: `python -m tools.bench.contender NAME`, spoken to by lines.

Reads its order (JSON), says `ready` when it holds its partitions, waits for `go`, prints what it
measured (JSON), and ends when its input does. So neither imports nor joining a group are part of
any figure, and members of one group start together.
"""

import json
import select
import sys
from collections.abc import Callable, Mapping

from tools.bench import ingestion_contenders, paced, scoring_contenders
from tools.bench.order import Order, Outcome


class Talk:
    """The contender's side of the conversation with the bench."""

    def ready(self) -> None:
        """Say so, and wait until told to go."""
        print("ready", flush=True)
        sys.stdin.readline()

    def over(self) -> bool:
        """Whether the bench has heard enough."""
        return bool(select.select([sys.stdin], [], [], 0)[0])

    def done(self, outcome: Outcome) -> None:
        """Hand over what was measured."""
        print(json.dumps(outcome._asdict()), flush=True)


CONTENDERS: Mapping[str, Callable[[Order, Talk], None]] = {
    "bare": scoring_contenders.bare,
    "per_event": scoring_contenders.per_event,
    "publishing": scoring_contenders.publishing,
    "worker": scoring_contenders.worker,
    "beside_relay": scoring_contenders.beside_relay,
    "relay": scoring_contenders.relay,
    "intake_per_event": ingestion_contenders.per_event,
    "intake_publishing": ingestion_contenders.publishing,
    "intake": ingestion_contenders.worker,
    "source": paced.source,
    "observer": paced.observer,
}

if __name__ == "__main__":
    CONTENDERS[sys.argv[1]](Order(**json.loads(sys.stdin.readline())), Talk())
