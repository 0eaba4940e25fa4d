"""Source events as the contract has them, from what a row says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from rapport_contracts.codec import decode_source
from rapport_contracts.source import SourceEvent


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The practice of events, its zone (IANA), and their source. With `backfill` they are told as
    history."""

    practice_id: str
    zone: str
    source: str
    backfill: bool = False


@dataclass(frozen=True, kw_only=True)
class Happening:
    """An event without its envelope: `kind` such as `booking.completed`, `at` aware, `line` the
    file's line that tells it, 0 for none. With `client` empty it names none: it is of whom the
    booking is."""

    event_id: str
    client: str
    kind: str
    at: datetime
    data: Mapping[str, Any]
    line: int = 0

    def event(self, origin: Origin) -> SourceEvent:
        """The source event, checked by the contract. Raises InvalidEvent, which names the field."""
        document = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": origin.source,
            "type": f"rapport.{self.kind}.v1",
            "practiceid": origin.practice_id,
            "time": self.at,
            "data": self.data,
            **({"subject": self.client} if self.client else {}),
            **({"backfill": True} if origin.backfill else {}),
        }
        return decode_source(None, None, msgspec.json.encode(document))
