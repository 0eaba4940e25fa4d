"""The loop that sends: claim what is due, hand it to providers, record what they answer."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import uvloop

from outreach_service.domain.messages import About, Outcome, Outgoing, Rejected, Unknown
from outreach_service.domain.terms import Channel
from outreach_service.handlers.dispatch import (
    NOTHING_DUE,
    Claims,
    Look,
    Turns,
    dispatch_due,
    lease_permits,
)
from outreach_service.handlers.opening import Compose, DispatchOptions
from outreach_service.handlers.outcomes import RetryPolicies, record_outcomes, recover_lost
from outreach_service.ports import Provider
from outreach_service.ports.records import ClaimedMessage
from outreach_service.ports.store import ContactCipher, Stores
from rapport_runtime import failpoints
from rapport_runtime.db_errors import DatabaseError, is_transient
from rapport_runtime.errors import TryLater
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import PROVIDER_ATTEMPTS, PROVIDER_SECONDS

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class DispatcherOptions:
    """How much the loop takes at once, and how many real seconds it waits.

    `max_in_flight` limits the provider calls in flight of each channel. A claimed message is handed
    over at once: between the gates' decision and the call it waits for no other message's answer
    (R16). `claim_rows` limits the due messages of each lane in one look. An answer is recorded
    within `answers_seconds`, together with what came meanwhile. A provider has `call_seconds` for
    all that it does for one message.

    A worker that stops has 10 s (R2): it waits `drain_seconds` for calls in flight, and tries
    `drain_tries` times to record their answers, with `drain_pause_seconds` between two tries.
    """

    max_in_flight: int = 32
    claim_rows: int = 32
    poll_seconds: float = 0.25
    answers_seconds: float = 0.25
    recover_seconds: float = 5.0
    call_seconds: float = 90.0
    drain_seconds: float = 6.0
    drain_tries: int = 3
    drain_pause_seconds: float = 1.0


DEFAULT_OPTIONS = DispatcherOptions()


class OutboundQueue:
    """The use cases of sending, each in transactions of its own. It remembers whose turn is next:
    one practice after the other has a message looked at, however many each has."""

    def __init__(
        self,
        stores: Stores,
        cipher: ContactCipher,
        policies: RetryPolicies,
        options: DispatchOptions,
    ) -> None:
        self._stores = stores
        self._cipher = cipher
        self._policies = policies
        self._options = options
        self._turns: Turns = {}

    def claim(self, limit: int, room: Mapping[Channel, int] | None = None) -> Claims:
        """Take permits, and decide on up to `limit` due messages of each lane; see `lease_permits`
        and `dispatch_due`."""
        with self._stores.open() as store:
            permits = lease_permits(store, limit, room)
        if permits is None:
            return NOTHING_DUE
        with self._stores.open() as store:
            look = Look(limit, permits, self._turns)
            claims = dispatch_due(store, self._cipher, self._options, look)
            if claims.decided:
                failpoints.hit("intent_claimed")
        self._turns = claims.turns
        if claims.decided:
            failpoints.hit("claim_committed")
        return claims

    def record(self, results: Sequence[tuple[ClaimedMessage, Outcome]]) -> None:
        """Record what providers answered; see `record_outcomes`."""
        with self._stores.open() as store:
            record_outcomes(store, self._policies, results)

    def recover(self) -> int:
        """Settle what dead workers had claimed; see `recover_lost`."""
        return recover_lost(self._stores, self._policies)


class Dispatcher:
    """Sends due messages through one provider a channel.

    `compose` makes the message that a provider takes, the same that was judged when it was claimed.
    Once nothing more is due, the dispatcher looks again when `wakeup` is set, and after
    `poll_seconds` without it: messages fall due by time, and other workers plan some, without a
    wakeup.
    """

    def __init__(
        self,
        queue: OutboundQueue,
        providers: Mapping[Channel, Provider],
        compose: Compose,
        wakeup: threading.Event,
        options: DispatcherOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._queue = queue
        self._options = options
        self._wakeup = wakeup
        self._providers = providers
        self._compose = compose
        self._in_flight: dict[asyncio.Task[Outcome], ClaimedMessage] = {}
        self._unrecorded: list[tuple[ClaimedMessage, Outcome]] = []
        self._broken: list[asyncio.Task[Outcome]] = []

    def run(self, stop: threading.Event) -> None:
        """Send until `stop`; what is answered soon after that is still recorded.

        While the database is away the loop waits, and then records what the providers answered: an
        outage alone makes no outcome unknown. It also waits where a new connection cannot be looked
        at because the bus is away. Any other error ends the thread.
        """
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run(stop))

    async def run_once(self) -> Claims:
        """Claim, send, record once; what was claimed has been handed to a provider."""
        claims, begun = await self._begin()
        if begun:
            await asyncio.wait(begun)
        await self._record_outcomes()
        return claims

    async def _run(self, stop: threading.Event) -> None:
        recover_at = 0.0
        try:
            while not stop.is_set():
                try:
                    await self._record_outcomes()
                    if time.monotonic() >= recover_at:
                        await asyncio.to_thread(self._queue.recover)
                        recover_at = time.monotonic() + self._options.recover_seconds
                    claims, begun = await self._begin()
                except (TryLater, *DatabaseError) as error:
                    _raise_unless_transient(error)
                    await asyncio.sleep(1.0)
                    continue
                await self._wait(claims, begun)
        finally:
            await self._drain()

    async def _wait(self, claims: Claims, begun: Collection[asyncio.Task[Outcome]]) -> None:
        """Wait until the next look at the queue makes sense.

        After new calls, wait for their answers, which mostly come soon and together. Without new
        calls, and with nothing more due, wait for any answer, or for the wakeup when no call is in
        flight. Each wait has a limit, so a call that hangs does not stop the others.
        """
        if begun:
            await asyncio.wait(begun, timeout=self._options.answers_seconds)
        elif claims.is_all and self._in_flight:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(
                self._in_flight, timeout=self._options.answers_seconds, return_when=first
            )
        elif claims.is_all:
            await asyncio.to_thread(self._wakeup.wait, self._options.poll_seconds)
            self._wakeup.clear()

    async def _begin(self) -> tuple[Claims, Collection[asyncio.Task[Outcome]]]:
        """Claim what there is room for, and begin to send it. The claim runs on a thread, so that
        answers are taken meanwhile."""
        busy = Counter(claimed.channel for claimed in self._in_flight.values())
        room = {channel: self._options.max_in_flight - busy[channel] for channel in Channel}
        claims = await asyncio.to_thread(self._queue.claim, self._options.claim_rows, room)
        begun = {asyncio.create_task(self._send(claimed)): claimed for claimed in claims.claimed}
        self._in_flight |= begun
        return claims, begun.keys()

    async def _record_outcomes(self) -> None:
        """Record what providers answered; it stays in memory until it is committed (to record it
        twice is safe)."""
        for task in [task for task in self._in_flight if task.done()]:
            claimed = self._in_flight.pop(task)
            if task.cancelled() or task.exception() is not None:
                self._broken.append(task)
            else:
                self._unrecorded.append((claimed, task.result()))
        if self._unrecorded:
            failpoints.hit("response_read")
            await asyncio.to_thread(self._queue.record, self._unrecorded)
            self._unrecorded = []
            failpoints.hit("result_recorded")
        for task in self._broken:
            task.result()  # an error of ours: raised once the others' answers are safe

    async def _drain(self) -> None:
        """Wait for the answers in flight, and record them. What is not answered soon, or cannot be
        recorded in a few tries, becomes `unknown` when its lease has ended."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=self._options.drain_seconds)
        for _ in range(self._options.drain_tries):
            try:
                return await self._record_outcomes()
            except (TryLater, *DatabaseError) as error:
                _raise_unless_transient(error)
                await asyncio.sleep(self._options.drain_pause_seconds)
        return None

    async def _send(self, claimed: ClaimedMessage) -> Outcome:
        message = self._compose(claimed)
        with PROVIDER_SECONDS.labels(str(claimed.channel)).time():
            outcome = await self._call(message)
        failpoints.hit("request_sent")
        PROVIDER_ATTEMPTS.labels(str(claimed.channel), _label(outcome)).inc()
        return outcome

    async def _call(self, message: Outgoing) -> Outcome:
        """The provider's outcome; nobody knows it when the whole of its calls takes too long."""
        try:
            async with asyncio.timeout(self._options.call_seconds):
                return await self._providers[message.channel].send(message)
        except TimeoutError:
            return Unknown(f"{message.channel}:deadline")


def _label(outcome: Outcome) -> str:
    """The outcome's label in the metrics."""
    if isinstance(outcome, Rejected) and outcome.about is About.MESSAGE:
        return "rejected" if outcome.final else "busy"
    if isinstance(outcome, Rejected):
        return "person" if outcome.about is About.PERSON else "account"
    return type(outcome).__name__.lower()


def _raise_unless_transient(error: Exception) -> None:
    """Raise an error that waiting does not cure; log any other."""
    if not isinstance(error, TryLater) and not is_transient(error):
        raise error
    log.warning("dispatch_waits", error=type(error).__name__)
