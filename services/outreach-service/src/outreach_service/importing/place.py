"""Where contacts and consents of a file go."""

from typing import NamedTuple


class Place(NamedTuple):
    """Where the APIs are, and the key for both."""

    ingestion: str
    outreach: str
    key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"Place({self.ingestion!r}, {self.outreach!r})"
