"""Keys verified a moment ago, so that a busy client costs no database round trip a request."""

import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock

from rapport_runtime.http.api_keys import KeyVerifier, Principal, hash_secret

REMEMBERED_SECONDS = 2.0
"""For so long a revoked or expired key may still pass."""
_REMEMBERED_KEYS = 10_000


class RememberedKeys:
    """A verifier that remembers for 2 seconds whom it has verified.

    Use does not prolong that. A refused key is not remembered, so that a new key works at once.
    Keys are kept as hashes, at most 10,000 of them. Safe for use from several threads.
    """

    def __init__(
        self, verifier: KeyVerifier, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._verifier = verifier
        self._monotonic = monotonic
        self._lock = Lock()
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def recall(self, raw_key: str) -> Principal | None:
        """See `RecallingVerifier.recall`."""
        with self._lock:
            until, principal = self._known.get(hash_secret(raw_key), (0.0, None))
        return principal if self._monotonic() < until else None

    def verify(self, raw_key: str) -> Principal | None:
        """See `KeyVerifier.verify`. The 2 seconds count from before the database is asked."""
        started = self._monotonic()
        principal = self._verifier.verify(raw_key)
        self._note(raw_key, principal, started)
        return principal

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        """See `KeyVerifier.verify_many`; the 2 seconds as of `verify`."""
        started = self._monotonic()
        principals = self._verifier.verify_many(raw_keys)
        for raw_key in raw_keys:
            self._note(raw_key, principals.get(raw_key), started)
        return principals

    def _note(self, raw_key: str, principal: Principal | None, started: float) -> None:
        slot = hash_secret(raw_key)
        with self._lock:
            if principal is None:
                self._known.pop(slot, None)
            else:
                if len(self._known) >= _REMEMBERED_KEYS:
                    self._known.clear()
                self._known[slot] = (started + REMEMBERED_SECONDS, principal)
