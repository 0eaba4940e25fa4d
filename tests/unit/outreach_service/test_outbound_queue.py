"""The places at which a worker may die around a claim: before its commit, and after."""

from collections.abc import Callable, Iterator

import pytest

from outreach_service.dispatcher import OutboundQueue
from outreach_service.domain.messages import DEFAULT_RETRIES, Accepted
from rapport_runtime import failpoints
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.open_cipher import OpenCipher
from tests.unit.outreach_service.memory_outreach import MemoryOutreach


class Death(Exception):
    """The worker dies here."""


@pytest.fixture
def die_at() -> Iterator[Callable[[str], list[str]]]:
    """`die_at("claim_committed")`: dies there; returns the failpoints that were passed."""

    def install(name: str) -> list[str]:
        passed: list[str] = []

        def hit(failpoint: str) -> None:
            passed.append(failpoint)
            if failpoint == name:
                raise Death

        failpoints.install(hit)
        return passed

    yield install
    failpoints.install(lambda _name: None)


@pytest.fixture
def queue(outreach: MemoryOutreach) -> OutboundQueue:
    """The queue of an outreach with one message that is due."""
    outreach.reachable()
    outreach.fall()
    options = dispatch_options()
    return OutboundQueue(outreach.stores, OpenCipher(), DEFAULT_RETRIES, options)


def test_a_worker_that_dies_before_the_commit_has_claimed_nothing(
    outreach: MemoryOutreach, queue: OutboundQueue, die_at: Callable[[str], list[str]]
) -> None:
    passed = die_at("intent_claimed")
    with pytest.raises(Death):
        queue.claim(10)
    assert passed == ["intent_claimed"]
    assert outreach.state() == ("scheduled", None)
    assert outreach.outcomes() == []


def test_a_worker_that_dies_after_the_commit_has_claimed(
    outreach: MemoryOutreach, queue: OutboundQueue, die_at: Callable[[str], list[str]]
) -> None:
    passed = die_at("claim_committed")
    with pytest.raises(Death):
        queue.claim(10)
    assert passed == ["intent_claimed", "claim_committed"]
    assert outreach.state() == ("sending", None)
    outreach.pass_real_time(61)
    assert queue.recover() == 1
    assert outreach.state() == ("unknown", "sms:worker-lost")


def test_a_look_that_finds_nothing_passes_no_failpoint(
    outreach: MemoryOutreach, queue: OutboundQueue, die_at: Callable[[str], list[str]]
) -> None:
    passed = die_at("nowhere")
    (claimed,) = queue.claim(10).claimed
    queue.record([(claimed, Accepted("ref-1"))])
    assert queue.claim(10).claimed == []
    assert passed == ["intent_claimed", "claim_committed"]
    assert outreach.state() == ("accepted", None)
