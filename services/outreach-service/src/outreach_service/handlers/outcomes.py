"""Apply what providers answered, and settle what a dead worker had claimed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from outreach_service.domain.gates import Rest
from outreach_service.domain.messages import (
    NOT_OF_THE_MESSAGE,
    About,
    Accepted,
    Event,
    GiveUp,
    Outcome,
    Rejected,
    RetryAt,
    RetryPolicy,
    State,
    Tries,
    Unknown,
    advance,
    retry_decision,
)
from outreach_service.domain.terms import Channel
from outreach_service.handlers.events import outcome_event
from outreach_service.ports.records import (
    AppliedOutcome,
    ClaimedMessage,
    FinishedAttempt,
    LostAttempt,
    RestingPoint,
    Strike,
    TriedMessage,
)
from outreach_service.ports.store import Rates, Store, Stores

LONGEST_PROVIDER_TEXT = 200
"""Characters stored of a provider's reference or code."""

LOST_WORKER = "worker-lost"
RetryPolicies = Mapping[Channel, RetryPolicy]
Attempted = ClaimedMessage | LostAttempt
"""A message that was claimed: its worker has the outcome, or died."""


class MessageUpdate(NamedTuple):
    """What a provider's answer does to a message: the event, and when to try again if at all.

    The provider recognises a repeat by its key, and drops it, for `keyed_seconds` after the first
    attempt. It is None unless a retry may repeat a message that was sent.
    """

    event: Event
    outcome: str
    code: str | None
    provider_ref: str | None
    retry_seconds: float | None
    keyed_seconds: float | None = None


def record_outcomes(
    store: Store, policies: RetryPolicies, results: Sequence[tuple[Attempted, Outcome]]
) -> None:
    """Save what came of claimed messages; to record a result twice changes nothing.

    What a provider said of a person lets the contact point rest, and the message is decided on
    anew; what it said of the account closes the channel.
    """
    tried = store.queue.lock_tried([claimed.key for claimed, _ in results])
    now = store.business_time()
    finished: list[FinishedAttempt] = []
    applied: list[AppliedOutcome] = []
    rests: list[RestingPoint] = []
    new: list[tuple[Attempted, Outcome]] = []
    events = []
    for claimed, outcome in results:
        message = tried[claimed.key]
        if message.outcome is not None and not _replaces_unknown(message.outcome, outcome):
            continue
        at = now or message.sent_at
        new.append((claimed, outcome))
        rests += _rests(message, outcome, at)
        is_late = message.state != State.SENDING
        update = apply_outcome(claimed, outcome, policies[claimed.channel], is_late=is_late)
        is_excused = isinstance(outcome, Rejected) and outcome.about is not About.MESSAGE
        finished.append(FinishedAttempt(*claimed.key, update.outcome, update.code, is_excused))
        if _is_overtaken(message, update):
            continue
        state = advance(State(message.state), update.event)
        applied.append(_applied(claimed, update, state, at))
        events.append(outcome_event(message, at, state=state, reason=update.code))
    store.queue.finish(finished)
    store.queue.apply(applied)
    store.contacts.rest(rests)
    store.publish(events)
    judge_channels(store.rates, policies, new)


def recover_lost(stores: Stores, policies: RetryPolicies) -> int:
    """Settle messages whose worker died between request and result; returns how many there were.

    What a dead worker had claimed may have been sent: its outcome is unknown. Unknown messages
    that may not be repeated any more are let go.
    """
    with stores.open() as store:
        store.queue.end_overdue_repeats()
        lost = store.queue.lost()
    if lost:
        results = [(each, Unknown(f"{each.channel}:{LOST_WORKER}")) for each in lost]
        with stores.open() as store:
            record_outcomes(store, policies, results)
    return len(lost)


def apply_outcome(
    claimed: Attempted, outcome: Outcome, policy: RetryPolicy, *, is_late: bool
) -> MessageUpdate:
    """What an answer means for a message: an unknown outcome is never retried blindly.

    After a word about the person the gates decide at once by which other way it goes; not when
    the answer `is_late`, since the message counts as possibly sent by then.
    """
    if isinstance(outcome, Accepted):
        return MessageUpdate(Event.ACCEPT, "accepted", None, _plain(outcome.provider_ref), None)
    name = "rejected" if isinstance(outcome, Rejected) else "unknown"
    code = _plain(outcome.code if isinstance(outcome, Rejected) else outcome.why)
    of_person = isinstance(outcome, Rejected) and outcome.about is About.PERSON
    if of_person and not claimed.unsure and not is_late:
        return MessageUpdate(Event.RETRY, name, code, None, None)
    tries = Tries(
        count=claimed.attempt,
        seconds=claimed.first_try_seconds,
        unknown=claimed.unsure,
        excused=claimed.excused,
    )
    following = retry_decision(tries, outcome, claimed.purpose, policy)
    if isinstance(following, RetryAt):
        if claimed.unsure or isinstance(outcome, Unknown):
            keyed = policy.same_key_seconds
            return MessageUpdate(Event.LOSE, name, code, None, following.seconds, keyed)
        return MessageUpdate(Event.RETRY, name, code, None, following.seconds)
    event = Event.FAIL if isinstance(following, GiveUp) else Event.LOSE
    return MessageUpdate(event, name, code, None, None)


def judge_channels(
    rates: Rates, policies: RetryPolicies, results: Sequence[tuple[Attempted, Outcome]]
) -> None:
    """Close the channels whose accounts were refused, and open those that were accepted.

    A message that was accepted in the same moment speaks against an answer that is unclear. What
    our own workers lost says nothing of a provider.
    """
    answers = [each for each in results if isinstance(each[0], ClaimedMessage)]
    accepted = {each.channel for each, outcome in answers if isinstance(outcome, Accepted)}
    strikes = [
        strike
        for claimed, outcome in answers
        for strike in _strikes(claimed.channel, outcome, policies[claimed.channel])
        if strike.closes or claimed.channel not in accepted
    ]
    rates.reopen(sorted(accepted))
    rates.strike(sorted(strikes, key=lambda strike: strike.channel))


def _strikes(channel: Channel, outcome: Outcome, policy: RetryPolicy) -> list[Strike]:
    if isinstance(outcome, Unknown):
        return [Strike(channel, _plain(outcome.why), closes=False, seconds=policy.closed_seconds)]
    if not isinstance(outcome, Rejected) or outcome.about not in NOT_OF_THE_MESSAGE:
        return []
    seconds = policy.closed_seconds if outcome.retry_after is None else outcome.retry_after
    closes = outcome.about is About.ACCOUNT
    return [Strike(channel, _plain(outcome.code), closes=closes, seconds=seconds)]


def _rests(message: TriedMessage, outcome: Outcome, at: datetime) -> list[RestingPoint]:
    """The rest of the point that an attempt went to; none when a later one may go elsewhere."""
    if not isinstance(outcome, Rejected) or outcome.about is not About.PERSON:
        return []
    if message.contact_index is None or message.attempts > message.number:
        return []
    seconds = outcome.retry_after
    until = None if seconds is None else at + timedelta(seconds=seconds)
    rest = Rest(_plain(outcome.code), at, until)
    return [RestingPoint(message.practice_id, message.contact_index, rest)]


def _plain(text: str) -> str:
    """A provider's text as a row can hold it: printable ASCII, of bounded length. A provider may
    use any encoding, and no answer may be lost for that."""
    return "".join(each if " " <= each <= "~" else "?" for each in text[:LONGEST_PROVIDER_TEXT])


def _replaces_unknown(recorded: str, outcome: Outcome) -> bool:
    """An answer that comes after its worker was taken for dead replaces `unknown`, nothing else."""
    return recorded == "unknown" and not isinstance(outcome, Unknown)


def _is_overtaken(message: TriedMessage, update: MessageUpdate) -> bool:
    """Whether the message itself stays as it is: a later attempt is in flight, whose answer
    decides; or the message was taken for lost meanwhile, and stays unknown."""
    if message.attempts > message.number:
        return True
    return message.state != State.SENDING and update.event is Event.RETRY


def _applied(
    claimed: Attempted, update: MessageUpdate, state: State, at: datetime
) -> AppliedOutcome:
    return AppliedOutcome(
        practice_id=claimed.practice_id,
        message_id=claimed.message_id,
        state=str(state),
        reason=update.code,
        provider_ref=update.provider_ref,
        at=at,
        wait_seconds=update.retry_seconds or 0,
        keyed_seconds=update.keyed_seconds,
    )
