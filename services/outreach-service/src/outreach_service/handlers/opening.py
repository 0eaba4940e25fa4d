"""Open the contacts of messages that may go, and ask what only those tell: the text as its reader
would see it, and when it is night where the number is."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from outreach_service.domain.gates import PRACTICE_NOT_READY, TEXT_WAITS, Defer, outside_hours
from outreach_service.domain.messages import Outgoing
from outreach_service.domain.playbook import Route
from outreach_service.domain.rules import DEFAULT_RULES, Rules
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import PracticeNotReady, RenderingFailed, UnreadableContact
from outreach_service.ports.records import (
    AttemptHistory,
    ClaimedMessage,
    ContactKey,
    DueMessage,
    Recipient,
    Situation,
)
from outreach_service.ports.store import ContactCipher, Store

SHANGHAI = "Asia/Shanghai"
"""Promotional SMS keep to the hours here too, whichever are stricter (L12)."""

UNREADABLE = "contact-unreadable"
UNTRIED = AttemptHistory(0, unsure=False)

Compose = Callable[[ClaimedMessage], Outgoing]
"""Makes the message that a provider takes. Raises PracticeNotReady, RenderingFailed."""


@dataclass(frozen=True, kw_only=True)
class DispatchOptions:
    """How many real seconds a claim may take, the rules by which the gates decide, how texts are
    made, and the zones of a phone number's country."""

    lease_seconds: float
    compose: Compose
    zones_of_number: Callable[[str], Sequence[str]]
    rules: Rules = DEFAULT_RULES


class Opened(NamedTuple):
    """The messages that go, and until when the others wait and why, both by message id."""

    claimed: dict[str, ClaimedMessage]
    waits: dict[str, Defer]


def zones(message: DueMessage, channel: Channel, situation: Situation) -> tuple[str, ...]:
    """Where the hours must be open as far as no contact is opened: where the client is known to
    be, else at the practice; for promotional SMS in Shanghai too. "" while no practice is known."""
    known = situation.client_zones if situation.zone else ()
    promotes = channel is Channel.SMS and message.play.purpose is Purpose.MARKETING
    return (*(known or (situation.zone,)), *([SHANGHAI] if promotes else ()))


def open_contacts(
    store: Store,
    cipher: ContactCipher,
    options: DispatchOptions,
    situations: Mapping[str, Situation],
    going: Collection[tuple[DueMessage, Route]],
) -> Opened:
    """Open the contacts of the messages that the gates let go by these routes.

    Only for these are contact details decrypted: a message that is deferred or suppressed, or
    waits, needs no address, so its address and name stay sealed. A message whose contact no key
    opens waits until an operator has mended the keys; one whose practice has no name to show, until
    it has; one whose text cannot go as it is, for a person; and one to whom it is night, until
    morning. No other message waits for them.
    """
    recipients = store.clients.recipients([_contact_key(*each) for each in going])
    histories = store.queue.histories([message.key for message, _ in going if message.attempts])
    opened = Opened({}, {})
    for message, route in going:
        recipient = recipients[_contact_key(message, route)]
        history = histories.get(message.message_id, UNTRIED)
        situation = situations[message.message_id]
        again = min(situation.now + options.rules.longest_lag, message.expires_at)
        try:
            claimed = _claimed(cipher, message, route, recipient, history)
            options.compose(claimed)
        except UnreadableContact:
            wait = Defer(again, UNREADABLE)
        except PracticeNotReady as failed:
            wait = Defer(again, f"{PRACTICE_NOT_READY}: its name {failed.problem}")
        except RenderingFailed as failed:
            wait = Defer(message.expires_at, f"{TEXT_WAITS}: {failed}")
        else:
            wait = _night(message, claimed, situation, options)
        if wait is None:
            opened.claimed[message.message_id] = claimed
        else:
            opened.waits[message.message_id] = wait
    return opened


def _night(
    message: DueMessage,
    claimed: ClaimedMessage,
    situation: Situation,
    options: DispatchOptions,
) -> Defer | None:
    """Wait until the hours are open in all of the number's country too, where nobody has said in
    which zone the client is (L12)."""
    if claimed.channel is not Channel.SMS or situation.client_zones:
        return None
    there = options.zones_of_number(claimed.address)
    everywhere = (*zones(message, claimed.channel, situation), *there)
    return outside_hours(
        options.rules, claimed.purpose, situation.now, everywhere, message.expires_at
    )


def _claimed(
    cipher: ContactCipher,
    message: DueMessage,
    route: Route,
    recipient: Recipient,
    history: AttemptHistory,
) -> ClaimedMessage:
    """The message with its contact opened. Raises UnreadableContact."""
    key = _contact_key(message, route)
    return ClaimedMessage(
        practice_id=key.practice_id,
        message_id=message.message_id,
        client_id=key.client_id,
        channel=key.channel,
        purpose=message.play.purpose,
        template=route.template,
        address=cipher.address(key, recipient.sealed_address),
        name=cipher.name(key, recipient.sealed_name),
        language=recipient.language,
        practice_name=recipient.practice_name,
        attempt=message.attempts + 1,
        first_try_seconds=history.seconds,
        unsure=history.unsure,
        excused=history.excused,
        approved=message.approved,
    )


def _contact_key(message: DueMessage, route: Route) -> ContactKey:
    return ContactKey(message.change.practice_id, message.change.client_id, route.channel)
