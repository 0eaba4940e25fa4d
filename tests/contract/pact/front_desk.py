"""The consumer: the front desk's screen, which shows how somebody who comes in should be met."""

from dataclasses import dataclass, field
from datetime import datetime

import httpx

from rapport_contracts.canonical import TierChanged
from rapport_contracts.codec import decode


@dataclass(frozen=True)
class Card:
    """What the screen shows of a client."""

    tier: str
    label: str
    since: datetime
    until: datetime | None


def card_of(address: str, key: str, client_id: str) -> Card:
    """Ask scoring for one client; raises httpx.HTTPStatusError for everything but an answer."""
    headers = {"Authorization": f"Bearer {key}"}
    response = httpx.get(f"{address}/v1/clients/{client_id}/tier", headers=headers, timeout=30)
    answer = response.raise_for_status().json()
    coming = answer["next_transition"]
    return Card(
        tier=answer["tier"],
        label=answer["tier_names"]["zh"],
        since=datetime.fromisoformat(answer["since"]),
        until=datetime.fromisoformat(coming["at"]) if coming else None,
    )


@dataclass
class Board:
    """The tiers as the bus tells them: each change once, whatever comes twice or between."""

    tiers: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def on_record(self, value: bytes) -> None:
        """One record of `tier-changes.v1`; raises InvalidEvent."""
        event = decode("tier-changes.v1", b"any key", value)
        if not isinstance(event, TierChanged):
            return
        change = event.data
        if change.version > self.versions.get(change.client_id, 0):
            self.versions[change.client_id] = change.version
            self.tiers[change.client_id] = change.to_tier
