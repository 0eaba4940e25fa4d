"""Calls of a REST API that may be repeated: it waits as long as it is told, and no call is lost."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from rapport_runtime.ops.operators import Refused

MOST_TRIES: Final = 8
"""So often a call is tried that was not answered, or was answered that it comes too soon."""
LONGEST_WAIT: Final = 600.0
"""Seconds; a longer Retry-After is waited for in parts, and each counts as a try."""
_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 5.0
_REQUEST_TOO_LARGE: Final = 413
_PASSES: Final = frozenset({429, 502, 503, 504})
"""Answers after which the same call may be tried later."""


class Stopped(Exception):
    """The command was told to stop while it waited."""


class Waiting:
    """Until when nobody calls, since an API said so. Shared by threads; ends early by `stop`."""

    def __init__(
        self, stop: threading.Event, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stop = stop
        self._monotonic = monotonic
        self._until = 0.0
        self._lock = threading.Lock()

    def at_least(self, seconds: float) -> None:
        """Let nobody call for so long from now."""
        with self._lock:
            self._until = max(self._until, self._monotonic() + min(seconds, LONGEST_WAIT))

    def out(self) -> None:
        """Wait until calls are allowed. Raises `Stopped`."""
        while (left := self._until - self._monotonic()) > 0 and not self._stop.is_set():
            self._stop.wait(left)
        if self._stop.is_set():
            raise Stopped


class _TooLarge(Exception):
    """The API takes no body as large as this one."""


class Api:
    """One service's API with one key. Safe to share between threads; the caller closes it."""

    def __init__(
        self, name: str, client: httpx.Client, waiting: Waiting, backoff: float = 1.0
    ) -> None:
        """`name` is told where something is wrong, `backoff` the seconds of the first wait."""
        self._name = name
        self._http = client
        self._waiting = waiting
        self._backoff = backoff

    def get(self, path: str) -> dict[str, Any]:
        """The object of an answer. Raises `Refused`, `Stopped`."""
        return self._call("GET", path, None)

    def post(self, path: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The items of the answer, one for each of these; a single one that is too large is
        answered as rejected. Raises `Refused`, `Stopped`."""
        try:
            answered = self._call("POST", path, {"items": items}).get("items")
        except _TooLarge:
            if len(items) == 1:
                return [{"outcome": "rejected", "detail": "is longer than the API takes"}]
            half = len(items) // 2
            return [*self.post(path, items[:half]), *self.post(path, items[half:])]
        if not isinstance(answered, list) or len(answered) != len(items):
            raise self._wrong_answer()
        if not all(isinstance(each, dict) for each in answered):
            raise self._wrong_answer()
        return answered

    def _wrong_answer(self) -> Refused:
        return Refused(f"{self._name} did not answer each item: is its address right?")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        why = ""
        for tried in range(MOST_TRIES):
            self._waiting.out()
            wait = self._backoff * 2**tried
            try:
                response = self._http.request(method, path, json=body)
            except httpx.RequestError as error:
                why = type(error).__name__
            else:
                if response.status_code not in _PASSES:
                    return self._read(response, path)
                why = f"HTTP {response.status_code}"
                wait = _seconds(response.headers.get("retry-after")) or wait
            self._waiting.at_least(wait)
        raise Refused(
            f"{self._name} did not answer {MOST_TRIES} times ({why}): give the command again later,"
            " and it goes on"
        )

    def _read(self, response: httpx.Response, path: str) -> dict[str, Any]:
        if response.status_code == _REQUEST_TOO_LARGE:
            raise _TooLarge
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refused(
                f"{self._name} answered no JSON ({response.status_code}): is its address right?"
            )
        if response.is_error:
            told = [str(found[each]) for each in ("title", "detail") if found.get(each)]
            raise Refused(f"{self._name}, {path}: {response.status_code} {': '.join(told)}")
        return found


def http_client(url: str, key: str) -> httpx.Client:
    """A client of one API. Its loggers are set to WARNING, so that no log shows an address."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(
        base_url=url,
        headers={"authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


def _seconds(value: str | None) -> float | None:
    """The seconds of a Retry-After header; None for a date or any other text."""
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    return float(value)
