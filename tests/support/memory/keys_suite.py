"""What each store must do with the keys that ingestion has made; a test class inherits it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, Protocol

import pytest

from tests.support.memory.keys import Ends

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MADE: dict[str, Any] = {
    "id": "6c1f0a52b3d94e87",
    "secret_hash": bytes(32),
    "practice_id": "harbour",
    "scopes": ["tiers:read"],
    "label": "till",
    "created_at": NOON,
    "expires_at": None,
    "revoked_at": None,
}
ROTATED = MADE | {"expires_at": NOON + HOUR}
REVOKED = ROTATED | {"revoked_at": NOON}


class KeyAdapter(Protocol):
    """An empty database."""

    def save_key(self, key: dict[str, Any]) -> None:
        """Write a key in a transaction."""

    def key_ends(self) -> Ends:
        """When each key ends."""


class KeysSuite:
    """`save_key`."""

    @pytest.mark.parametrize("records", list(permutations([MADE, ROTATED, REVOKED, ROTATED])))
    def test_a_key_ends_in_whatever_order_its_records_come(
        self, adapter: KeyAdapter, records: list[dict[str, Any]]
    ) -> None:
        for record in records:
            adapter.save_key(record)
        assert adapter.key_ends() == {MADE["id"]: (NOON + HOUR, NOON)}

    def test_an_older_record_revives_no_key(self, adapter: KeyAdapter) -> None:
        for record in (ROTATED, MADE, MADE | {"expires_at": NOON + 2 * HOUR}):
            adapter.save_key(record)
        assert adapter.key_ends() == {MADE["id"]: (NOON + HOUR, None)}

    def test_an_operators_key_has_no_practice(self, adapter: KeyAdapter) -> None:
        adapter.save_key(MADE | {"practice_id": None})
        assert adapter.key_ends() == {MADE["id"]: (None, None)}
