"""A provider for tests that keeps each message and answers as the test wants."""

from collections import deque
from collections.abc import Iterable

from outreach_service.domain.messages import Accepted, Outcome, Outgoing


class RecordingProvider:
    """Gives the test's outcomes first, and then accepts everything; `sent` holds every call."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.sent: list[Outgoing] = []
        self._outcomes = deque(outcomes)

    async def send(self, message: Outgoing) -> Outcome:
        """Keep the message and give the next outcome."""
        self.sent.append(message)
        if self._outcomes:
            return self._outcomes.popleft()
        return Accepted(f"recorded-{len(self.sent)}")
