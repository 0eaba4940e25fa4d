"""Guessing API keys is slowed down: a caller whose keys keep failing has to wait (S15)."""

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

_REMEMBERED = 10_000
_MINUTE = 60.0
_NETWORK_BITS = 64


class FailedKeys:
    """A bucket of failures for each address, and the keys that were valid lately.

    An address may fail `per_minute` times at once, and as often again in each minute. Past that
    it has to wait, except with a key that was valid before: one caller behind an address does not
    lock out the others. Memory is bounded: the 10,000 addresses and the 10,000 keys used last are
    remembered. Each process counts for itself. Safe for use from several threads.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def wait_seconds(self, address: str, raw_key: str) -> int:
        """The seconds until this key may be verified for this address; 0 when it may be now."""
        with self._lock:
            if _digest(raw_key) in self._good:
                return 0
            left = self._left(_network(address))
        return 0 if left >= 1 else math.ceil((1 - left) * _MINUTE / self._per_minute)

    def failed(self, address: str, raw_key: str) -> None:
        """Count a key that is unknown, revoked or expired."""
        network = _network(address)
        with self._lock:
            self._good.pop(_digest(raw_key), None)
            self._buckets[network] = (self._monotonic(), self._left(network) - 1)
            _forget_oldest(self._buckets, network)

    def held(self, raw_key: str) -> None:
        """Remember a valid key."""
        digest = _digest(raw_key)
        with self._lock:
            self._good[digest] = None
            _forget_oldest(self._good, digest)

    def _left(self, network: str) -> float:
        """The number of failures that the address may still have now."""
        at, left = self._buckets.get(network, (0.0, float(self._per_minute)))
        refilled = (self._monotonic() - at) * self._per_minute / _MINUTE
        return min(float(self._per_minute), left + refilled)


def _forget_oldest(known: OrderedDict[Any, Any], used: object) -> None:
    known.move_to_end(used)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def _digest(raw_key: str) -> bytes:
    return hashlib.sha256(raw_key.encode()).digest()


def _network(address: str) -> str:
    """An IPv4 address as it is; an IPv6 address as its /64, all of which one caller may own."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))
