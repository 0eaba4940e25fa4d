"""Threads for one kind of work alone, and values that are remembered for a moment."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class OwnThreads:
    """A few threads, in a line of their own: no other work can fill them, nor they the others'."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call the function on one of the threads, with the caller's context variables."""
        call = partial(copy_context().run, function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class Remembered(Generic[Result]):
    """Calls `function` at most once in so many seconds, and gives what it gave meanwhile.

    What it raises is raised again meanwhile. Safe for use from several threads: while one calls,
    others wait for its result.
    """

    def __init__(
        self,
        function: Callable[[], Result],
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._function = function
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._until = -1.0
        self._call: Callable[[], Result] = function

    def __call__(self) -> Result:
        """The value of now or of a moment ago; raises what the function raised then."""
        with self._lock:
            if self._monotonic() >= self._until:
                self._call = _outcome(self._function)
                self._until = self._monotonic() + self._seconds
            call = self._call
        return call()


def _outcome(function: Callable[[], Result]) -> Callable[[], Result]:
    """A function that gives or raises again what this one does now."""
    try:
        value = function()
    except Exception as error:  # noqa: BLE001 - whatever it was, each caller gets it
        return partial(_raise, error)
    return lambda: value


def _raise(error: Exception) -> Any:
    raise error
