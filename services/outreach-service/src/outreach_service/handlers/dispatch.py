"""Decide on due messages, and claim those that may go."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from outreach_service.domain.gates import (
    DEFAULT_RULES,
    Context,
    Decision,
    Defer,
    Rules,
    Send,
    SentMessage,
    Suppress,
    choose_channel,
    gate,
)
from outreach_service.domain.messages import State, advance, event_of
from outreach_service.domain.playbook import Route
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.events import message_event
from outreach_service.ports import UnreadableContact
from outreach_service.ports.records import (
    AttemptHistory,
    ClaimedMessage,
    ContactKey,
    DueMessage,
    MessageEvent,
    NewAttempt,
    Situation,
    StateChange,
    ThrottledMessage,
)
from outreach_service.ports.store import ContactCipher, Store

SHANGHAI = "Asia/Shanghai"
"""Promotional SMS keep to the hours here too, whichever are stricter (L12)."""

UNREADABLE = "contact-unreadable"
UNTRIED = AttemptHistory(0, unsure=False)


@dataclass(frozen=True, kw_only=True)
class DispatchOptions:
    """How many real seconds a claim may take, and the rules by which the gates decide."""

    lease_seconds: float
    rules: Rules = DEFAULT_RULES


class Claims(NamedTuple):
    """What one look at the queue gave: the claimed messages, how many due ones were decided on, and
    whether those were all that were due."""

    claimed: list[ClaimedMessage]
    decided: int
    is_all: bool


@dataclass(frozen=True)
class Throttled:
    """The gates allow the message, but its channel has no room now: the provider account's rate is
    used up, or too many calls are in flight. `turn` counts such messages of the channel from 1."""

    channel: Channel
    turn: int


@dataclass(frozen=True)
class LeaveUnknown:
    """The message may have been sent, and the gates do not allow a repeat now; its state stays
    `unknown`."""


class DecidedMessage(NamedTuple):
    """A due message with what is to become of it."""

    message: DueMessage
    decision: Decision | Throttled | LeaveUnknown


def dispatch_due(
    store: Store,
    cipher: ContactCipher,
    options: DispatchOptions,
    limit: int,
    room: Mapping[Channel, int] | None = None,
) -> Claims:
    """Decide on up to `limit` due messages and claim those that may go; of each channel no more
    than there is `room` for.

    Consents, bookings, caps and permits are read under the locks of the clients and of their
    contact points, and the claims commit with them (R24, R25).
    """
    now, rules = store.business_time(), options.rules
    if now is None:
        return Claims([], 0, is_all=True)
    full = [channel for channel, free in (room or {}).items() if free < 1]
    due = store.queue.lock_due(now, limit, full)
    if not due:
        return Claims([], 0, is_all=True)
    situations = store.clients.lock_situations(due, now, now - rules.longest_window)
    granted = store.rates.lease(len(due))
    left = {each: min(count, (room or granted)[each]) for each, count in granted.items()}
    decided = decide(due, situations, left, rules)
    claimed = _claimed(store, cipher, decided)
    decided = [_put_off_unreadable(each, claimed, now, rules) for each in decided]
    _write(store, decided, situations, now, options.lease_seconds)
    used = Counter(each.channel for each in claimed.values())
    store.rates.give_back({each: count - used[each] for each, count in granted.items()})
    return Claims(list(claimed.values()), len(due), is_all=len(due) < limit)


def decide(
    due: Sequence[DueMessage],
    situations: Mapping[str, Situation],
    permits: dict[Channel, int],
    rules: Rules,
) -> list[DecidedMessage]:
    """Ask the gates about each message in turn; each sees what was decided before it.

    Takes one of `permits` for each message that is sent; without one it is throttled.
    """
    decided: list[DecidedMessage] = []
    throttled: Counter[Channel] = Counter()
    granted: dict[str, list[SentMessage]] = {}
    for message in due:
        practice_id, situation = message.change.practice_id, situations[message.message_id]
        context = _context(message, situation, tuple(granted.get(practice_id, ())), rules)
        decision = gate(context)
        if message.unsure_of and not _repeats(decision, message.unsure_of):
            decided.append(DecidedMessage(message, LeaveUnknown()))
        elif not isinstance(decision, Send):
            decided.append(DecidedMessage(message, decision))
        elif permits.get(decision.route.channel, 0) < 1:
            channel = decision.route.channel
            throttled[channel] += 1
            decided.append(DecidedMessage(message, Throttled(channel, throttled[channel])))
        else:
            permits[decision.route.channel] -= 1
            granted.setdefault(practice_id, []).append(_sent(message, situation, decision))
            decided.append(DecidedMessage(message, decision))
    return decided


def _repeats(decision: Decision, channel: Channel) -> bool:
    return isinstance(decision, Send) and decision.route.channel is channel


def _context(
    message: DueMessage, situation: Situation, granted: tuple[SentMessage, ...], rules: Rules
) -> Context:
    context = Context(
        now=situation.now,
        play=message.play,
        step=message.play.steps[message.step],
        change=message.change,
        due_at=message.due_at,
        approved=message.approved,
        is_fenced=message.is_fenced,
        contacts=situation.contacts,
        consents=situation.consents,
        zones=(situation.zone,),
        sent=situation.sent + granted,
        booking_at=situation.booking_at,
        activity_at=situation.activity_at,
        inputs_up_to=situation.inputs_up_to,
        rules=rules,
    )
    route = choose_channel(context)
    promotes_by_sms = isinstance(route, Route) and route.channel is Channel.SMS
    if promotes_by_sms and message.play.purpose is Purpose.MARKETING:
        return replace(context, zones=(situation.zone, SHANGHAI))
    return context


def _sent(message: DueMessage, situation: Situation, decision: Send) -> SentMessage:
    return SentMessage(
        at=situation.now,
        purpose=message.play.purpose,
        client_id=message.change.client_id,
        contact=situation.contacts[decision.route.channel],
    )


def _claimed(
    store: Store, cipher: ContactCipher, decided: Sequence[DecidedMessage]
) -> dict[str, ClaimedMessage]:
    """The messages that go, by message id, without those whose contact details no key opens.

    Only for these are contact details decrypted: a message that is deferred, suppressed or
    throttled needs no address, so its address and name stay sealed.
    """
    going = [
        (message, decision.route) for message, decision in decided if isinstance(decision, Send)
    ]
    recipients = store.clients.recipients([_contact_key(*each) for each in going])
    histories = store.queue.histories([message.key for message, _ in going if message.attempts])
    claimed = {}
    for message, route in going:
        key = _contact_key(message, route)
        recipient = recipients[key]
        history = histories.get(message.message_id, UNTRIED)
        try:
            address = cipher.address(key, recipient.sealed_address)
            name = cipher.name(key, recipient.sealed_name)
        except UnreadableContact:
            continue
        claimed[message.message_id] = ClaimedMessage(
            practice_id=key.practice_id,
            message_id=message.message_id,
            client_id=key.client_id,
            channel=key.channel,
            purpose=message.play.purpose,
            template=route.template,
            address=address,
            name=name,
            language=recipient.language,
            practice_name=recipient.practice_name,
            attempt=message.attempts + 1,
            first_try_seconds=history.seconds,
            unsure=history.unsure,
        )
    return claimed


def _contact_key(message: DueMessage, route: Route) -> ContactKey:
    return ContactKey(message.change.practice_id, message.change.client_id, route.channel)


def _put_off_unreadable(
    decided: DecidedMessage, claimed: Mapping[str, ClaimedMessage], now: datetime, rules: Rules
) -> DecidedMessage:
    """A message that would go, but whose contact no key opens, waits until an operator has mended
    the keys, within its time; no other message waits for it."""
    message = decided.message
    if not isinstance(decided.decision, Send) or message.message_id in claimed:
        return decided
    if message.unsure_of:
        return DecidedMessage(message, LeaveUnknown())
    until = min(now + rules.longest_lag, message.due_at + message.play.expires_after)
    return DecidedMessage(message, Defer(until, UNREADABLE))


def _write(
    store: Store,
    decided: Sequence[DecidedMessage],
    situations: Mapping[str, Situation],
    now: datetime,
    lease_seconds: float,
) -> None:
    attempts: list[NewAttempt] = []
    changes: list[StateChange] = []
    throttled: list[ThrottledMessage] = []
    left_unknown = []
    events = []
    for message, decision in decided:
        if isinstance(decision, Send):
            contacts = situations[message.message_id].contacts
            attempts.append(_attempt(message, decision.route, contacts))
            events.append(_sending(message, decision.route, now))
        elif isinstance(decision, Throttled):
            waits = ThrottledMessage(*message.key, str(decision.channel), decision.turn)
            throttled.append(waits)
        elif isinstance(decision, LeaveUnknown):
            left_unknown.append(message.key)
        else:
            change = _state_change(message, decision, now)
            changes.append(change)
            events.append(_changed(message, change, now))
    store.queue.change_states(changes, now)
    store.queue.throttle(throttled)
    store.queue.end_repeats_of(left_unknown)
    store.queue.claim(attempts, now, lease_seconds)
    store.publish(events)


def _attempt(message: DueMessage, route: Route, contacts: Mapping[Channel, str]) -> NewAttempt:
    return NewAttempt(
        practice_id=message.change.practice_id,
        message_id=message.message_id,
        number=message.attempts + 1,
        channel=str(route.channel),
        template=route.template,
        contact_index=contacts[route.channel],
    )


def _state_change(message: DueMessage, decision: Defer | Suppress, now: datetime) -> StateChange:
    """The message's next state. Every waiting state has the same transitions, so the change is
    computed from SCHEDULED for all of them."""
    return StateChange(
        practice_id=message.change.practice_id,
        message_id=message.message_id,
        state=str(advance(State.SCHEDULED, event_of(decision))),
        reason=decision.reason,
        decide_at=decision.until if isinstance(decision, Defer) else now,
    )


def _sending(message: DueMessage, route: Route, now: datetime) -> MessageEvent:
    return message_event(message, now, state=State.SENDING, channel=route.channel, reason=None)


def _changed(message: DueMessage, change: StateChange, now: datetime) -> MessageEvent:
    state = State(change.state)
    return message_event(message, now, state=state, channel=None, reason=change.reason)
