"""The publisher drains beside whoever rings, never twice at once, and leaves nothing behind."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from rapport_runtime import publisher as module
from rapport_runtime.errors import TryLater
from rapport_runtime.publisher import Publisher

SECONDS = 10.0


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)


class Drain:
    """Counts its calls; each waits until it is let through, and may fail once."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.begun, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        self.begun.release()
        assert self.may_end.acquire(timeout=SECONDS)
        if self.errors:
            raise self.errors.pop(0)


@contextmanager
def beside(publisher: Publisher) -> Iterator[Callable[[], list[Exception]]]:
    """The publisher on its thread; the call stops it and tells how it ended."""
    stop, ended = threading.Event(), list[Exception]()

    def body() -> None:
        try:
            publisher.run(stop)
        except Exception as error:  # noqa: BLE001 - handed to the test
            ended.append(error)

    thread = threading.Thread(target=body)
    thread.start()

    def over() -> list[Exception]:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()
        return ended

    try:
        yield over
    finally:
        over()


def test_without_a_thread_whoever_rings_publishes() -> None:
    drained: list[int] = []
    publisher = Publisher(lambda: drained.append(1))
    publisher.ring()
    assert drained == [1]
    with pytest.raises(TryLater):
        Publisher(_raising(TryLater("away"))).ring()


def _raising(error: Exception) -> Callable[[], None]:
    def drain() -> None:
        raise error

    return drain


def test_who_rings_does_not_wait_and_many_rings_are_one() -> None:
    drain = Drain()
    publisher = Publisher(drain)
    with beside(publisher) as over:
        _ring_until_begun(publisher, drain)
        for _ in range(5):
            publisher.ring()  # returns though the drain is under way
        drain.may_end.release(2)
        assert drain.begun.acquire(timeout=SECONDS)
        assert over() == []
    assert drain.calls == 2


def _ring_until_begun(publisher: Publisher, drain: Drain) -> None:
    """The thread needs a moment to be there."""
    while not publisher._beside:
        pass
    publisher.ring()
    assert drain.begun.acquire(timeout=SECONDS)


def test_what_was_rung_last_is_published_before_it_ends() -> None:
    drain = Drain()
    publisher = Publisher(drain)
    with beside(publisher) as over:
        _ring_until_begun(publisher, drain)
        publisher.ring()
        threading.Timer(0.05, drain.may_end.release, [2]).start()
        assert over() == []  # stopped while the first drain is under way
    assert drain.calls == 2


@pytest.mark.parametrize(
    "error", [TryLater("the bus is away"), psycopg.OperationalError("the database is away")]
)
def test_what_passes_is_waited_for(error: Exception) -> None:
    drain = Drain(error)
    publisher = Publisher(drain)
    with beside(publisher) as over:
        _ring_until_begun(publisher, drain)
        drain.may_end.release(2)
        assert drain.begun.acquire(timeout=SECONDS)  # asked again, though nobody rang
        assert over() == []


@pytest.mark.parametrize("error", [ValueError("a bug"), psycopg.ProgrammingError("no such table")])
def test_what_does_not_pass_ends_it_loudly(error: Exception) -> None:
    drain = Drain(error)
    publisher = Publisher(drain)
    with beside(publisher) as over:
        _ring_until_begun(publisher, drain)
        drain.may_end.release()
        assert over() == [error]
