"""Open the contacts of messages that may go, and ask what only those tell: the text as its reader
would see it, and when it is night where the number is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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


def zones(message: DueMessage, channel: Channel, situation: Situation) -> tuple[str, ...]:
    """Where the hours must be open as far as no contact is opened: where the client is known to
    be, else at the practice; for promotional SMS in Shanghai too. "" while no practice is known."""
    known = situation.client_zones if situation.zone else ()
    promotes = channel is Channel.SMS and message.play.purpose is Purpose.MARKETING
    return (*(known or (situation.zone,)), *([SHANGHAI] if promotes else ()))


@dataclass(frozen=True)
class SealedContacts:
    """The contacts of due messages as they were read, with what decides whether a text may go."""

    cipher: ContactCipher
    options: DispatchOptions
    situations: Mapping[str, Situation]
    recipients: Mapping[ContactKey, Recipient]
    histories: Mapping[str, AttemptHistory]

    def opened(self, message: DueMessage, route: Route) -> ClaimedMessage | Defer:
        """The message that goes by this route, or until when it waits and why.

        Only a message that the gates let go, and that has a permit, is opened: one that waits or
        never goes needs no address, so its address and name stay sealed. A message whose contact
        no key opens waits until an operator has mended the keys; one whose practice has no name to
        show, until it has; one whose text cannot go as it is, for a person; and one to whom it is
        night, until morning. No other message waits for them.
        """
        now = self.situations[message.message_id].now
        again = min(now + self.options.rules.longest_lag, message.expires_at)
        try:
            claimed = self._claimed(message, route)
            self.options.compose(claimed)
        except UnreadableContact:
            return Defer(again, UNREADABLE)
        except PracticeNotReady as failed:
            return Defer(again, f"{PRACTICE_NOT_READY}: its name {failed.problem}")
        except RenderingFailed as failed:
            return Defer(message.expires_at, f"{TEXT_WAITS}: {failed}")
        return self._night(message, claimed) or claimed

    def _night(self, message: DueMessage, claimed: ClaimedMessage) -> Defer | None:
        """Wait until the hours are open in all of the number's country too, where nobody has said
        in which zone the client is (L12)."""
        situation = self.situations[message.message_id]
        if claimed.channel is not Channel.SMS or situation.client_zones:
            return None
        there = self.options.zones_of_number(claimed.address)
        everywhere = (*zones(message, claimed.channel, situation), *there)
        rules, until = self.options.rules, message.expires_at
        return outside_hours(rules, claimed.purpose, situation.now, everywhere, until)

    def _claimed(self, message: DueMessage, route: Route) -> ClaimedMessage:
        """The message with its contact opened. Raises UnreadableContact."""
        key = ContactKey(message.change.practice_id, message.change.client_id, route.channel)
        recipient = self.recipients[key]
        history = self.histories.get(message.message_id, UNTRIED)
        return ClaimedMessage(
            practice_id=key.practice_id,
            message_id=message.message_id,
            client_id=key.client_id,
            channel=key.channel,
            purpose=message.play.purpose,
            template=route.template,
            address=self.cipher.address(key, recipient.sealed_address),
            contact_index=self.situations[message.message_id].contacts[route.channel],
            name=self.cipher.name(key, recipient.sealed_name),
            language=recipient.language,
            practice_name=recipient.practice_name,
            attempt=message.attempts + 1,
            first_try_seconds=history.seconds,
            unsure=history.unsure,
            excused=history.excused,
            approved=message.approved,
        )


def read_contacts(
    store: Store,
    cipher: ContactCipher,
    options: DispatchOptions,
    situations: Mapping[str, Situation],
    due: Sequence[DueMessage],
) -> SealedContacts:
    """Read the contacts of due messages, whose clients are locked; none is opened."""
    contacts = {
        ContactKey(each.change.practice_id, each.change.client_id, channel)
        for each in due
        for channel in situations[each.message_id].contacts
    }
    tried = [each.key for each in due if each.attempts]
    return SealedContacts(
        cipher,
        options,
        situations,
        store.clients.recipients(sorted(contacts)),
        store.queue.histories(tried),
    )
