"""When the outbox is drained: beside the loop, as soon as it has committed something."""

import threading
from collections.abc import Callable

from rapport_runtime.blame import DatabaseError, describe, is_for_later
from rapport_runtime.errors import TryLater
from rapport_runtime.logs import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 0.05
"""How often the thread looks whether it is to stop; the bell wakes it at once."""

RETRY_SECONDS, MAX_RETRY_SECONDS = 0.2, 10.0


class Publisher:
    """Runs `drain` whenever the bell has rung: on a thread of its own, or, when there is none, at
    once and for whoever rings.

    So the loop handles the next batch while the bus acknowledges the last one (ADR 25). What is in
    the outbox when a worker ends is published by its last ring, or by any other worker.
    """

    def __init__(self, drain: Callable[[], object]) -> None:
        self._drain = drain
        self._bell = threading.Event()
        self._draining = threading.Lock()
        self._beside = False
        self._failures = 0

    def ring(self) -> None:
        """There may be something to publish. Raises what `drain` raises where no thread runs."""
        if self._beside:
            self._bell.set()
        else:
            self._drain_now()

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop`, once more for what was rung last, then leave it to the rings.

        A bus or database that is away is waited for; anything else ends the thread loudly.
        """
        self._beside = True
        while not stop.is_set():
            if self._bell.wait(LOOK_SECONDS):
                self._answer(stop)
        self._beside = False
        if self._bell.is_set():
            self._answer(stop)

    def _answer(self, stop: threading.Event) -> None:
        self._bell.clear()
        try:
            self._drain_now()
        except TryLater as error:
            self._wait(str(error), stop)
        except DatabaseError as error:
            if not is_for_later(error):
                raise
            self._wait(describe(error), stop)
        else:
            self._failures = 0

    def _wait(self, why: str, stop: threading.Event) -> None:
        log.warning("publishing_waits", error=why)
        self._bell.set()
        stop.wait(min(RETRY_SECONDS * 2.0 ** min(self._failures, 20), MAX_RETRY_SECONDS))
        self._failures += 1

    def _drain_now(self) -> None:
        with self._draining:
            self._drain()
