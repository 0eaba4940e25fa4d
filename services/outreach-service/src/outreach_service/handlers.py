"""The use cases of outreach: plan after a tier change, decide when due, apply each outcome."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from json import dumps, loads
from typing import Any

from outreach_service.domain.gates import (
    DEFAULT_RULES,
    Context,
    Decision,
    Rules,
    Send,
    SentMessage,
    choose_channel,
    gate,
)
from outreach_service.domain.messages import (
    Accepted,
    Event,
    GiveUp,
    Outcome,
    Rejected,
    RetryAt,
    RetryPolicy,
    Tries,
    Unknown,
    retry_decision,
)
from outreach_service.domain.playbook import Playbook, Route, message_id, parse_playbook, plays_for
from outreach_service.domain.terms import Change, Channel, Purpose
from outreach_service.ports import (
    ClaimedMessage,
    DecidedMessage,
    DueMessage,
    LeaveUnknown,
    MessageUpdate,
    OutreachStore,
    PlannedMessage,
    Throttled,
)

SHANGHAI = "Asia/Shanghai"
"""Promotional SMS keep to the hours here too, whichever are stricter (RELIABILITY L12)."""


LONGEST_PROVIDER_TEXT = 200
"""Characters kept of a provider's reference or code."""


@dataclass(frozen=True)
class TierTransition:
    """A tier change with the partition that it came on."""

    change: Change
    partition: int


def plan_messages(
    store: OutreachStore, default: Mapping[str, Any], transitions: Sequence[TierTransition]
) -> None:
    """Write down a message for each step of each play that answers a change."""
    if not transitions:
        return
    own = store.playbooks({transition.change.practice_id for transition in transitions})
    planned = [
        message
        for transition in transitions
        for message in _messages_for(transition, own.get(transition.change.practice_id, default))
    ]
    store.save_planned(planned)


def decide(
    waiting: Sequence[DueMessage], permits: dict[Channel, int], rules: Rules = DEFAULT_RULES
) -> list[DecidedMessage]:
    """Ask the gates for each message in turn, seeing what was decided before it.

    Takes from `permits` one for each message that is sent; without one it is throttled.
    """
    decided: list[DecidedMessage] = []
    throttled: Counter[Channel] = Counter()
    granted: dict[str, list[SentMessage]] = {}
    for message in waiting:
        practice_id = message.change.practice_id
        context = _context(message, tuple(granted.get(practice_id, ())), rules)
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
            granted.setdefault(practice_id, []).append(_sent(message, decision))
            decided.append(DecidedMessage(message, decision))
    return decided


def apply_outcome(claimed: ClaimedMessage, outcome: Outcome, policy: RetryPolicy) -> MessageUpdate:
    """What an answer means for a message (RELIABILITY §3.8): unknown is never retried blindly."""
    if isinstance(outcome, Accepted):
        return MessageUpdate(Event.ACCEPT, "accepted", None, _plain(outcome.provider_ref), None)
    word = "rejected" if isinstance(outcome, Rejected) else "unknown"
    code = _plain(outcome.code if isinstance(outcome, Rejected) else outcome.why)
    tries = Tries(count=claimed.attempt, seconds=claimed.first_try_seconds, unknown=claimed.unsure)
    following = retry_decision(tries, outcome, claimed.purpose, policy)
    if isinstance(following, RetryAt):
        if claimed.unsure or isinstance(outcome, Unknown):
            keyed = policy.same_key_seconds
            return MessageUpdate(Event.LOSE, word, code, None, following.seconds, keyed)
        return MessageUpdate(Event.RETRY, word, code, None, following.seconds)
    event = Event.FAIL if isinstance(following, GiveUp) else Event.LOSE
    return MessageUpdate(event, word, code, None, None)


def _plain(said: str) -> str:
    """A provider's word as a row can keep it: printable ASCII, of bounded length. What it says may
    be in any encoding, and must not cost us the answer."""
    return "".join(each if " " <= each <= "~" else "?" for each in said[:LONGEST_PROVIDER_TEXT])


def play_of(body: Mapping[str, Any]) -> Playbook:
    """The playbook of one play that a message keeps; the same text is read once."""
    return _read_playbook(dumps({"key": "kept", "plays": [body]}, sort_keys=True))


def _repeats(decision: Decision, channel: Channel) -> bool:
    return isinstance(decision, Send) and decision.route.channel is channel


def _messages_for(
    transition: TierTransition, document: Mapping[str, Any]
) -> Iterator[PlannedMessage]:
    change = transition.change
    playbook = _read_playbook(dumps(document, sort_keys=True))
    bodies = {body["key"]: body for body in document["plays"]}
    for play in plays_for(playbook, change):
        for number, step in enumerate(play.steps):
            yield PlannedMessage(
                message_id=message_id(
                    change.practice_id, change.client_id, play.key, change.version, number
                ),
                change=change,
                partition=transition.partition,
                play=play,
                play_body=bodies[play.key],
                step=number,
                due_at=change.effective_at + step.delay,
            )


@lru_cache(maxsize=256)
def _read_playbook(text: str) -> Playbook:
    return parse_playbook(loads(text))


def _context(message: DueMessage, granted: tuple[SentMessage, ...], rules: Rules) -> Context:
    known = message.situation
    context = Context(
        now=known.now,
        play=message.play,
        step=message.play.steps[message.step],
        change=message.change,
        due_at=message.due_at,
        approved=message.approved,
        contacts=known.contacts,
        consents=known.consents,
        zones=(known.zone,),
        sent=known.sent + granted,
        booking_at=known.booking_at,
        activity_at=known.activity_at,
        inputs_up_to=known.inputs_up_to,
        rules=rules,
    )
    route = choose_channel(context)
    promotes_by_sms = isinstance(route, Route) and route.channel is Channel.SMS
    if promotes_by_sms and message.play.purpose is Purpose.MARKETING:
        return replace(context, zones=(known.zone, SHANGHAI))
    return context


def _sent(message: DueMessage, decision: Send) -> SentMessage:
    return SentMessage(
        at=message.situation.now,
        purpose=message.play.purpose,
        client_id=message.change.client_id,
        contact=message.situation.contacts[decision.route.channel],
    )
