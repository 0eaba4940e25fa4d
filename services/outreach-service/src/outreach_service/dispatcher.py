"""The loop that sends: claim what is due, hand it to providers, record what they answer."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import uvloop

from outreach_service.domain.messages import Outcome, Outgoing, Rejected
from outreach_service.domain.templates import Catalogue
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.dispatch import Claims, DispatchOptions, dispatch_due
from outreach_service.handlers.outcomes import RetryPolicies, record_outcomes, recover_lost
from outreach_service.ports import Provider, RenderingFailed
from outreach_service.ports.records import ClaimedMessage
from outreach_service.ports.store import ContactCipher, Stores
from outreach_service.rendering import render
from rapport_runtime import failpoints
from rapport_runtime.db_errors import DatabaseError, is_transient
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import PROVIDER_ATTEMPTS, PROVIDER_SECONDS

_LOG = get_logger(__name__)

MAX_IN_FLIGHT = 32
"""Provider calls in flight at one time by each channel. What is claimed is begun at once: between
the gates' decision and the call no message waits for another one's answer (R16)."""

CLAIM_ROWS = 32
POLL_SECONDS = 0.25
ANSWERS_SECONDS = 0.25
"""An answer is recorded after this time at the latest, together with what came meanwhile."""

RECOVER_SECONDS = 5.0
DRAIN_SECONDS = 6.0
DRAIN_TRIES, DRAIN_PAUSE_SECONDS = 3, 1.0
"""How long a worker that stops waits for calls in flight, and how often it tries to record their
answers (it has 10 s, R2)."""


class OutboundQueue:
    """The use cases of sending, each in transactions of its own."""

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

    def claim(self, limit: int, room: Mapping[Channel, int] | None = None) -> Claims:
        """Decide on up to `limit` due messages; see `dispatch_due`."""
        with self._stores.open() as store:
            claims = dispatch_due(store, self._cipher, self._options, limit, room)
            if claims.decided:
                failpoints.hit("intent_claimed")
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

    `unsubscribe_url` makes the link by which a client ends a purpose on a channel. Once nothing
    more is due, the dispatcher looks again when `wakeup` is set, and after POLL_SECONDS without
    it: messages fall due by time, and other workers plan some, without a wakeup.
    """

    def __init__(
        self,
        queue: OutboundQueue,
        providers: Mapping[Channel, Provider],
        catalogue: Catalogue,
        unsubscribe_url: Callable[[ClaimedMessage], str],
        wakeup: threading.Event,
    ) -> None:
        self._queue = queue
        self._wakeup = wakeup
        self._providers = providers
        self._catalogue = catalogue
        self._unsubscribe_url = unsubscribe_url
        self._in_flight: dict[asyncio.Task[Outcome], ClaimedMessage] = {}
        self._unrecorded: list[tuple[ClaimedMessage, Outcome]] = []
        self._broken: list[asyncio.Task[Outcome]] = []

    def run(self, stop: threading.Event) -> None:
        """Send until `stop`; what is answered soon after that is still recorded.

        While the database is away the loop waits, and then records what the providers answered: an
        outage alone makes no outcome unknown. Any other error ends the thread.
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
                        recover_at = time.monotonic() + RECOVER_SECONDS
                    claims, begun = await self._begin()
                except DatabaseError as error:
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
            await asyncio.wait(begun, timeout=ANSWERS_SECONDS)
        elif claims.is_all and self._in_flight:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(self._in_flight, timeout=ANSWERS_SECONDS, return_when=first)
        elif claims.is_all:
            await asyncio.to_thread(self._wakeup.wait, POLL_SECONDS)
            self._wakeup.clear()

    async def _begin(self) -> tuple[Claims, Collection[asyncio.Task[Outcome]]]:
        """Claim what there is room for, and begin to send it. The claim runs on a thread, so that
        answers are taken meanwhile."""
        busy = Counter(claimed.channel for claimed in self._in_flight.values())
        room = {channel: MAX_IN_FLIGHT - busy[channel] for channel in Channel}
        claims = await asyncio.to_thread(self._queue.claim, CLAIM_ROWS, room)
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
            await asyncio.wait(self._in_flight, timeout=DRAIN_SECONDS)
        for _ in range(DRAIN_TRIES):
            try:
                return await self._record_outcomes()
            except DatabaseError as error:
                _raise_unless_transient(error)
                await asyncio.sleep(DRAIN_PAUSE_SECONDS)
        return None

    async def _send(self, claimed: ClaimedMessage) -> Outcome:
        try:
            message = self._compose(claimed)
        except RenderingFailed as error:
            return Rejected(f"{claimed.channel}:rendering:{error.field}", final=True)
        with PROVIDER_SECONDS.labels(str(claimed.channel)).time():
            outcome = await self._providers[claimed.channel].send(message)
        failpoints.hit("request_sent")
        PROVIDER_ATTEMPTS.labels(str(claimed.channel), _label(outcome)).inc()
        return outcome

    def _compose(self, claimed: ClaimedMessage) -> Outgoing:
        """The message as its provider takes it. Raises RenderingFailed."""
        template = self._catalogue.find(claimed.template, claimed.channel, claimed.language)
        if template is None:
            raise RenderingFailed("template", "is not known")
        values = {"name": claimed.name, "practice": claimed.practice_name}
        url = None
        if claimed.purpose is Purpose.MARKETING and claimed.channel is Channel.EMAIL:
            url = values["unsubscribe_url"] = self._unsubscribe_url(claimed)
        rendered = render(template, values)
        return Outgoing(
            message_id=claimed.message_id,
            channel=claimed.channel,
            purpose=claimed.purpose,
            recipient=claimed.address,
            body=rendered.body,
            subject=rendered.subject,
            provider_template=template.provider_template,
            params=rendered.params,
            unsubscribe_url=url,
        )


def _label(outcome: Outcome) -> str:
    """The outcome's label in the metrics."""
    if isinstance(outcome, Rejected):
        return "rejected" if outcome.final else "busy"
    return type(outcome).__name__.lower()


def _raise_unless_transient(error: Exception) -> None:
    """Raise an error that waiting does not cure; log any other."""
    if not is_transient(error):
        raise error
    _LOG.warning("dispatch_waits", error=type(error).__name__)
