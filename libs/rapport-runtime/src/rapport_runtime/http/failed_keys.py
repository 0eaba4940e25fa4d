"""Guessing API keys is slowed down: whoever tries them pays before each look-up (S15)."""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rapport_runtime.callers import one_caller

_REMEMBERED = 10_000
_MINUTE = 60.0


class FailedKeys:
    """A bucket of tries for each address, and the keys that were valid lately.

    An address pays one try before a key is looked up, and has it back when the key holds. It has
    `per_minute` tries at once, and as many again in each minute; it never owes any. A key that was
    valid before need not pay: one caller behind an address does not lock out the others. Memory is
    bounded: the 10,000 addresses and the 10,000 keys used last are remembered. Each process counts
    for itself. For one event loop.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = float(per_minute)
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def pay(self, address: str) -> bool:
        """Pay for one look-up; False when the address has no try left, and nothing was paid."""
        network = one_caller(address)
        left = self._left(network)
        if left < 1:
            return False
        self._fill(network, left - 1)
        return True

    def pay_back(self, address: str) -> None:
        """Give a try back: the key that it paid for has held."""
        network = one_caller(address)
        self._fill(network, self._left(network) + 1)

    def wait_seconds(self, address: str) -> int:
        """The whole seconds until the address has a try again; 0 when it has one now."""
        missing = 1 - self._left(one_caller(address))
        return max(0, math.ceil(missing * _MINUTE / self._per_minute))

    def has_held(self, raw_key: str) -> bool:
        """Whether the key was valid when it was looked up last."""
        return _digest(raw_key) in self._good

    def held(self, raw_key: str) -> None:
        """Remember a valid key."""
        digest = _digest(raw_key)
        self._good[digest] = None
        _forget_oldest(self._good, digest)

    def failed(self, raw_key: str) -> None:
        """Forget a key that is unknown, revoked or expired."""
        self._good.pop(_digest(raw_key), None)

    def _fill(self, network: str, tries: float) -> None:
        self._buckets[network] = (self._monotonic(), min(self._per_minute, tries))
        _forget_oldest(self._buckets, network)

    def _left(self, network: str) -> float:
        """The tries that the address has now."""
        at, left = self._buckets.get(network, (0.0, self._per_minute))
        refilled = (self._monotonic() - at) * self._per_minute / _MINUTE
        return min(self._per_minute, left + refilled)


def _forget_oldest(known: OrderedDict[Any, Any], used: object) -> None:
    known.move_to_end(used)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def _digest(raw_key: str) -> bytes:
    return hashlib.sha256(raw_key.encode()).digest()
