"""The record of what reached people; every claim about sending is checked against it."""

import json
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RECENT = 5000
"""How many deliveries are in memory; the file has all of them."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message that a person would have received. `at` is the real time, ISO 8601 in UTC."""

    number: int
    at: str
    channel: str
    message_id: str
    recipient: str
    provider_ref: str
    template: str = ""
    params: dict[str, str] = field(default_factory=dict)
    subject: str = ""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message as a provider accepted it, before it has a number."""

    channel: str
    message_id: str
    recipient: str
    template: str = ""
    params: dict[str, str] = field(default_factory=dict)
    subject: str = ""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class DeliveryLog:
    """An append-only file of one JSON object a line, with the last of them in memory.

    Used from one event loop only.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._recent: deque[Delivery] = deque(maxlen=RECENT)
        self._by_channel: Counter[str] = Counter()

    def add(self, arrival: Arrival) -> Delivery:
        """Record a delivery, with a number and the provider's reference."""
        number = self._by_channel.total() + 1
        delivery = Delivery(
            number=number,
            at=datetime.now(UTC).isoformat(),
            provider_ref=f"sandbox-{arrival.channel}-{number}",
            **asdict(arrival),
        )
        self._file.write(json.dumps(asdict(delivery), ensure_ascii=False) + "\n")
        self._recent.append(delivery)
        self._by_channel[arrival.channel] += 1
        return delivery

    def recent(self, channel: str | None, after: int, limit: int) -> list[Delivery]:
        """The oldest `limit` of those in memory with a number above `after`."""
        found = (
            each
            for each in self._recent
            if each.number > after and (channel is None or each.channel == channel)
        )
        return [each for each, _ in zip(found, range(limit), strict=False)]

    def counts(self) -> dict[str, int]:
        """Deliveries by channel since the start."""
        return dict(self._by_channel)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
