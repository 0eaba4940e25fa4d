"""Decide on due messages, and claim those that may go: permits first, then messages in turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from outreach_service.domain.gates import (
    Context,
    Decision,
    Defer,
    Send,
    SentMessage,
    Suppress,
    choose_channel,
    gate,
)
from outreach_service.domain.messages import State, advance, event_of
from outreach_service.domain.playbook import Route
from outreach_service.domain.rules import Rules
from outreach_service.domain.terms import Channel
from outreach_service.handlers.events import message_event
from outreach_service.handlers.opening import DispatchOptions, read_contacts, zones
from outreach_service.ports.records import (
    ClaimedMessage,
    DueMessage,
    LaneChange,
    MessageEvent,
    NewAttempt,
    Share,
    Situation,
    StateChange,
)
from outreach_service.ports.store import ContactCipher, Store

Turns = Mapping[Channel | None, str]
"""By lane, the practice whose message was looked at last; the next look begins after it."""


class Look(NamedTuple):
    """One look at the queue: at most `limit` messages of each lane, by the `permits` that were
    leased for it, going on where `turns` ended."""

    limit: int
    permits: Mapping[Channel, int]
    turns: Turns = MappingProxyType({})


class Claims(NamedTuple):
    """What one look at the queue gave: the claimed messages, how many due ones were decided on,
    whether those were all that could be decided on now, and where the next look begins."""

    claimed: list[ClaimedMessage]
    decided: int
    is_all: bool
    turns: Turns = MappingProxyType({})


NOTHING_DUE = Claims([], 0, is_all=True)


Found = Mapping[Share, Sequence[DueMessage]]
"""The messages that a look found, by share."""


@dataclass(frozen=True)
class WaitInLane:
    """The gates allow the message, but its channel has no permit left: the provider account's rate
    is used up, or too many calls are in flight. It waits in that channel's lane."""

    lane: Channel


@dataclass(frozen=True)
class LeaveUnknown:
    """The message may have been sent, and the gates do not allow a repeat now; its state stays
    `unknown`."""


Verdict = ClaimedMessage | Defer | Suppress | WaitInLane | LeaveUnknown


class DecidedMessage(NamedTuple):
    """A due message with what is to become of it."""

    message: DueMessage
    verdict: Verdict


def lease_permits(
    store: Store, limit: int, room: Mapping[Channel, int] | None = None
) -> Mapping[Channel, int] | None:
    """Take the permits of a look, of each channel no more than `limit` and than there is `room`
    for; None when nothing is due.

    They are committed before the look begins, so that it waits for no lock while it holds them.
    Those that a look does not use it gives back; a look that fails has used them up.
    """
    now = store.business_time()
    if now is None or not store.queue.has_due(now):
        return None
    granted = store.rates.lease(limit)
    taken = {each: min(count, (room or granted)[each]) for each, count in granted.items()}
    store.rates.give_back({each: count - taken[each] for each, count in granted.items()})
    return taken


def dispatch_due(
    store: Store, cipher: ContactCipher, options: DispatchOptions, look: Look
) -> Claims:
    """Decide on due messages, in each lane on one of each practice in turn, and claim those that
    may go.

    Of a lane no more are looked at than there are permits, so none is looked at in vain. Consents,
    bookings and caps are read under the locks of the clients and of their contact points, and the
    claims commit with them (R24, R25).
    """
    now, left = store.business_time(), dict(look.permits)
    found = {} if now is None else {each: store.queue.lock_due(now, each) for each in _shares(look)}
    due = [message for messages in found.values() for message in messages]
    decided: list[DecidedMessage] = []
    if now is not None and due:
        since = now - options.rules.longest_window
        situations = store.clients.lock_situations(due, now, since)
        contacts = read_contacts(store, cipher, options, situations, due)
        decided = decide(due, situations, left, options.rules, contacts.opened)
        _write(store, decided, now, options.lease_seconds)
    store.rates.give_back(left)
    return Claims(
        [each.verdict for each in decided if isinstance(each.verdict, ClaimedMessage)],
        len(due),
        _is_all(found, left, look.limit),
        _turns(look.turns, found),
    )


def _shares(look: Look) -> list[Share]:
    """What is looked at: of each channel's lane as much as it has permits, then of the messages of
    which nobody knows yet where they go; many of these need no permit."""
    lanes: list[Channel | None] = [*Channel, None]
    shares = [
        Share(
            lane,
            min(look.limit, _permits(look.permits, lane, look.limit)),
            look.turns.get(lane, ""),
        )
        for lane in lanes
    ]
    return [share for share in shares if share.most > 0]


def _permits(permits: Mapping[Channel, int], lane: Channel | None, otherwise: int) -> int:
    """The permits of a lane; a lane without an account counts as `otherwise`."""
    return otherwise if lane is None else permits.get(lane, otherwise)


def _is_all(found: Found, left: Mapping[Channel, int], limit: int) -> bool:
    """Whether nothing more can be decided on now: each lane has given less than was asked for, or
    has used its permits up."""
    return not any(
        len(messages) == share.most
        and (share.most == limit or _permits(left, share.lane, limit) > 0)
        for share, messages in found.items()
    )


def _turns(before: Turns, found: Found) -> Turns:
    last = {share.lane: messages[-1] for share, messages in found.items() if messages}
    return {**before, **{lane: message.change.practice_id for lane, message in last.items()}}


def decide(
    due: Sequence[DueMessage],
    situations: Mapping[str, Situation],
    permits: dict[Channel, int],
    rules: Rules,
    opened: Callable[[DueMessage, Route], ClaimedMessage | Defer],
) -> list[DecidedMessage]:
    """Ask the gates about each message in turn; each sees what was decided before it.

    Takes one of `permits` for each message that is sent; without one it waits in its lane. What
    the gates let go is `opened` first, which may put it off.
    """
    decided: list[DecidedMessage] = []
    granted: dict[str, list[SentMessage]] = {}
    for message in due:
        practice_id, situation = message.change.practice_id, situations[message.message_id]
        context = _context(message, situation, tuple(granted.get(practice_id, ())), rules)
        verdict = _verdict(message, gate(context), permits, opened)
        if isinstance(verdict, ClaimedMessage):
            permits[verdict.channel] -= 1
            granted.setdefault(practice_id, []).append(_sent(verdict, situation))
        decided.append(DecidedMessage(message, verdict))
    return decided


def _verdict(
    message: DueMessage,
    decision: Decision,
    permits: Mapping[Channel, int],
    opened: Callable[[DueMessage, Route], ClaimedMessage | Defer],
) -> Verdict:
    """What becomes of a message on which the gates have decided so."""
    if message.unsure_of and not _repeats(decision, message.unsure_of):
        return LeaveUnknown()
    if not isinstance(decision, Send):
        return decision
    if permits.get(decision.route.channel, 0) < 1:
        return WaitInLane(decision.route.channel)
    verdict = opened(message, decision.route)
    return LeaveUnknown() if message.unsure_of and isinstance(verdict, Defer) else verdict


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
        resting=situation.resting,
        has_discreet_name=situation.has_discreet_name,
        consents=situation.consents,
        zones=(situation.zone,),
        sent=situation.sent + granted,
        standing=situation.standing,
        guards=situation.guards,
        booking_at=situation.booking_at,
        activity_at=situation.activity_at,
        inputs_up_to=situation.inputs_up_to,
        rules=rules,
    )
    route = choose_channel(context)
    if isinstance(route, Route):
        return replace(context, zones=zones(message, route.channel, situation))
    return context


def _sent(claimed: ClaimedMessage, situation: Situation) -> SentMessage:
    return SentMessage(
        at=situation.now,
        purpose=claimed.purpose,
        client_id=claimed.client_id,
        contact=claimed.contact_index,
        template=claimed.template,
    )


def _write(
    store: Store,
    decided: Sequence[DecidedMessage],
    now: datetime,
    lease_seconds: float,
) -> None:
    attempts: list[NewAttempt] = []
    changes: list[StateChange] = []
    lanes: list[LaneChange] = []
    left_unknown = []
    events = []
    for message, verdict in decided:
        if isinstance(verdict, ClaimedMessage):
            attempts.append(_attempt(verdict))
            events.append(_sending(message, verdict.channel, now))
        elif isinstance(verdict, WaitInLane):
            if verdict.lane is not message.lane:
                lanes.append(LaneChange(*message.key, str(verdict.lane)))
        elif isinstance(verdict, LeaveUnknown):
            left_unknown.append(message.key)
        else:
            change = _state_change(message, verdict, now)
            changes.append(change)
            events.append(_changed(message, change, now))
    store.queue.change_states(changes, now)
    store.queue.change_lanes(lanes)
    store.queue.end_repeats_of(left_unknown)
    store.queue.claim(attempts, now, lease_seconds)
    store.publish(events)


def _attempt(claimed: ClaimedMessage) -> NewAttempt:
    return NewAttempt(
        practice_id=claimed.practice_id,
        message_id=claimed.message_id,
        number=claimed.attempt,
        channel=str(claimed.channel),
        template=claimed.template,
        contact_index=claimed.contact_index,
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


def _sending(message: DueMessage, channel: Channel, now: datetime) -> MessageEvent:
    return message_event(message, now, state=State.SENDING, channel=channel, reason=None)


def _changed(message: DueMessage, change: StateChange, now: datetime) -> MessageEvent:
    state = State(change.state)
    return message_event(message, now, state=state, channel=None, reason=change.reason)
