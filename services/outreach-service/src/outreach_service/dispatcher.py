"""The loop that sends: claim what is due, hand it to providers, write down what they said."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import uvloop

from outreach_service.domain.messages import Outcome, Outgoing, Rejected
from outreach_service.domain.templates import Catalogue
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import Claimed, Claims, Desk, Provider
from outreach_service.rendering import Renderer, RenderingFailed
from rapport_runtime import failpoints
from rapport_runtime.blame import DatabaseError, is_for_later
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import PROVIDER_ATTEMPTS, PROVIDER_SECONDS

_LOG = get_logger(__name__)

CLAIM_ROWS = 64
AT_ONCE = 32
"""Provider calls under way at one time. Two rounds of the slowest (SMTP, 30 s a step) stay well
within the default lease of 600 s."""

LOOK_SECONDS = 0.25
RECOVER_SECONDS = 5.0
LAST_TRIES, LAST_PAUSE_SECONDS = 3, 1.0
"""How often a worker that leaves tries to write down what it still holds (it has 10 s)."""


class Dispatcher:
    """Sends due messages through one provider a channel.

    `unsubscribe_url` makes the address under which a client leaves a purpose of a channel. Who has
    seen all that was due looks again when `bell` is set, and soon without (of what falls due by
    time, and what other workers have planned, no bell tells).
    """

    def __init__(
        self,
        desk: Desk,
        providers: Mapping[Channel, Provider],
        catalogue: Catalogue,
        unsubscribe_url: Callable[[Claimed], str],
        bell: threading.Event,
    ) -> None:
        self._desk = desk
        self._bell = bell
        self._providers = providers
        self._catalogue = catalogue
        self._renderer = Renderer()
        self._unsubscribe_url = unsubscribe_url
        self._unwritten: list[tuple[Claimed, Outcome]] = []

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop`; what has been claimed by then is sent and written down.

        A database that is away is waited for, and then told what the providers said: an outage
        alone makes no outcome unknown. Anything else ends the thread loudly.
        """
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            recover_at = 0.0
            while not stop.is_set():
                try:
                    self._write_down()
                    if time.monotonic() >= recover_at:
                        self._desk.recover()
                        recover_at = time.monotonic() + RECOVER_SECONDS
                    if self.turn(runner).is_all:
                        self._bell.wait(LOOK_SECONDS)
                        self._bell.clear()
                except DatabaseError as error:
                    _raise_unless_for_later(error)
                    stop.wait(1.0)
            self._write_down_before_leaving()

    def turn(self, runner: asyncio.Runner) -> Claims:
        """Claim, send, record once; what was claimed has been handed to a provider."""
        claims = self._desk.claim(CLAIM_ROWS)
        if claims.claimed:
            outcomes = runner.run(self._send_all(claims.claimed))
            self._unwritten = list(zip(claims.claimed, outcomes, strict=True))
            failpoints.hit("response_read")
            self._write_down()
            failpoints.hit("result_recorded")
        return claims

    def _write_down(self) -> None:
        """What providers said; it is kept until it is committed (to write it twice is safe)."""
        if self._unwritten:
            self._desk.record(self._unwritten)
            self._unwritten = []

    def _write_down_before_leaving(self) -> None:
        """A few tries; what cannot be written then is `unknown` when its lease has ended."""
        for _ in range(LAST_TRIES):
            try:
                return self._write_down()
            except DatabaseError as error:
                _raise_unless_for_later(error)
                threading.Event().wait(LAST_PAUSE_SECONDS)
        return None

    async def _send_all(self, claimed: Sequence[Claimed]) -> list[Outcome]:
        room = asyncio.Semaphore(AT_ONCE)

        async def send(one: Claimed) -> Outcome:
            async with room:
                return await self._send(one)

        return list(await asyncio.gather(*map(send, claimed)))

    async def _send(self, claimed: Claimed) -> Outcome:
        try:
            message = self._composed(claimed)
        except RenderingFailed as error:
            return Rejected(f"{claimed.channel}:rendering:{error.field}", final=True)
        with PROVIDER_SECONDS.labels(str(claimed.channel)).time():
            outcome = await self._providers[claimed.channel].send(message)
        failpoints.hit("request_sent")
        PROVIDER_ATTEMPTS.labels(str(claimed.channel), _word(outcome)).inc()
        return outcome

    def _composed(self, claimed: Claimed) -> Outgoing:
        """The message as its provider takes it. Raises RenderingFailed."""
        template = self._catalogue.find(claimed.template, claimed.channel, claimed.language)
        if template is None:
            raise RenderingFailed("template", "is not known")
        values = {"name": claimed.name, "practice": claimed.practice_name}
        url = None
        if claimed.purpose is Purpose.MARKETING and claimed.channel is Channel.EMAIL:
            url = values["unsubscribe_url"] = self._unsubscribe_url(claimed)
        rendered = self._renderer.render(template, values)
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


def _word(outcome: Outcome) -> str:
    """What came of a call, as the metrics call it."""
    if isinstance(outcome, Rejected):
        return "rejected" if outcome.final else "busy"
    return type(outcome).__name__.lower()


def _raise_unless_for_later(error: Exception) -> None:
    """An error that waiting does not cure is not to be waited for."""
    if not is_for_later(error):
        raise error
    _LOG.warning("dispatch_waits", error=type(error).__name__)
