"""The queue of waiting messages: claim what may go, write down what became of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outreach_service.domain.gates import DEFAULT_RULES, Defer, Rules, Send, Suppress
from outreach_service.domain.messages import (
    Event,
    Outcome,
    RetryPolicy,
    State,
    Unknown,
    advance,
    event_of,
)
from outreach_service.domain.playbook import Route
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers import apply_outcome, decide
from outreach_service.ports import (
    ClaimedMessage,
    Claims,
    DecidedMessage,
    DueMessage,
    LeaveUnknown,
    MessageEvent,
    Throttled,
)
from outreach_service.sealing import CannotUnseal, Keyring
from outreach_service.store import permits, situations
from outreach_service.store.clock import business_now
from outreach_service.store.message_events import message_event, message_event_of_row
from outreach_service.store.preferences import address_place, name_place
from rapport_runtime import failpoints
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database
from rapport_runtime.ops.pauses import paused, this_worker
from rapport_runtime.stream.outbox import append

LOST_WORKER = "worker-lost"
UNREADABLE = "contact-unreadable"
_NOTHING = Claims([], is_all=True)

# A pause that was committed before this statement is obeyed by it: nothing else stands between
# an operator's "stop" and the next provider call (ADR 20).
_DUE = sa.text(f"""
    SELECT practice_id, message_id, client_id, partition, play, step, tier_version, play_body,
           purpose, change, due_at, approved, attempts, state, channel
    FROM message
    WHERE (state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff')
           OR retry_until > clock_timestamp())
      AND decide_at <= :now AND not_before <= clock_timestamp()
      AND (reason = 'rate-limit' AND channel = ANY(:full)) IS NOT TRUE
      AND NOT {paused("practice", "message.practice_id")}
      AND NOT {paused("worker", ":worker")} AND NOT {paused("worker", "'*'")}
    ORDER BY decide_at, message_id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_CLAIM = sa.text("""
    UPDATE message SET state = 'sending', reason = NULL, channel = :channel, template = :template,
        contact_index = :contact_index, sent_at = :now, attempts = attempts + 1,
        retry_until = NULL,
        lease_until = clock_timestamp() + make_interval(secs => :lease), changed_at = :now
    WHERE practice_id = :practice_id AND message_id = :message_id
""")
_TRY = sa.text("""
    INSERT INTO attempt (practice_id, message_id, number, channel, started_at, business_at)
    VALUES (:practice_id, :message_id, :number, :channel, clock_timestamp(), :now)
""")
_MOVE = sa.text("""
    UPDATE message SET state = :state, reason = :reason, decide_at = :decide_at, changed_at = :now
    WHERE practice_id = :practice_id AND message_id = :message_id
""")
_LEAVE = sa.text("""
    UPDATE message SET retry_until = NULL
    WHERE practice_id = :practice_id AND message_id = :message_id
""")
_END_REPEATS = sa.text("""
    UPDATE message SET retry_until = NULL WHERE retry_until < clock_timestamp()
""")
# In its turn, and not looked at while its channel is full: were all of one that stands still due
# again at once, no look would get past them to other channels' messages.
_THROTTLE = sa.text("""
    UPDATE message SET reason = 'rate-limit', channel = :channel,
        not_before = clock_timestamp() + make_interval(secs => CAST(:turn AS float) / (
            SELECT per_second FROM permit WHERE account = :channel))
    WHERE practice_id = :practice_id AND message_id = :message_id
""")
_LOCK = sa.text("""
    SELECT m.practice_id, m.message_id, m.client_id, m.partition, m.play, m.step, m.tier_version,
           m.purpose, m.channel, m.state, m.sent_at, m.attempts, a.number, a.outcome
    FROM message m JOIN attempt a USING (practice_id, message_id)
    WHERE (m.practice_id, m.message_id, a.number) IN (
        SELECT * FROM unnest(:practices ::text[], :messages ::text[], :numbers ::int[]))
    ORDER BY m.practice_id, m.message_id FOR UPDATE OF m
""")
_FINISH = sa.text("""
    UPDATE attempt SET finished_at = clock_timestamp(), outcome = :outcome, code = :code
    WHERE practice_id = :practice_id AND message_id = :message_id AND number = :number
""")
_APPLY_OUTCOME = sa.text("""
    UPDATE message SET state = :state, reason = :reason, lease_until = NULL,
        provider_ref = coalesce(:provider_ref, provider_ref), changed_at = :now,
        not_before = clock_timestamp() + make_interval(secs => :wait),
        retry_until = make_interval(secs => :keyed) + (
            SELECT min(started_at) FROM attempt
            WHERE practice_id = :practice_id AND message_id = :message_id)
    WHERE practice_id = :practice_id AND message_id = :message_id
""")
_LOST = sa.text("""
    SELECT m.practice_id, m.message_id, m.client_id, m.channel, m.purpose, m.attempts,
           extract(epoch FROM clock_timestamp() - first.started_at) AS seconds, first.unsure
    FROM message m, LATERAL (
        SELECT min(started_at) AS started_at,
               coalesce(bool_or(outcome = 'unknown'), false) AS unsure
        FROM attempt a WHERE a.practice_id = m.practice_id AND a.message_id = m.message_id
    ) first
    WHERE m.state = 'sending' AND m.lease_until < clock_timestamp()
    LIMIT 500
""")


@dataclass(frozen=True, kw_only=True)
class OutboundQueueOptions:
    """Whether time is simulated, how long a claim may take, and by what rules the gates decide."""

    simulated: bool
    lease_seconds: float
    rules: Rules = DEFAULT_RULES


@dataclass
class PendingWrites:
    """What a transaction is going to write: rows by statement, sent together; and the events."""

    statements: dict[sa.TextClause, list[dict[str, Any]]] = field(default_factory=dict)
    events: list[MessageEvent] = field(default_factory=list)

    def add(self, statement: sa.TextClause, row: dict[str, Any]) -> None:
        """Run `statement` with `row`, together with its other rows, in the order of first use."""
        self.statements.setdefault(statement, []).append(row)


class PostgresOutboundQueue:
    """`OutboundQueue` over one database."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        policies: Mapping[Channel, RetryPolicy],
        encode: Callable[[MessageEvent], Outgoing],
        options: OutboundQueueOptions,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._policies = policies
        self._encode = encode
        self._simulated = options.simulated
        self._lease_seconds = options.lease_seconds
        self._rules = options.rules

    def claim(self, limit: int, room: Mapping[Channel, int] | None = None) -> Claims:
        """See `OutboundQueue.claim`. Consent, bookings, caps and permits are looked at under the
        clients' and contact points' locks, and what is claimed commits with them (R24, R25)."""
        with self._database.transaction() as tx:
            now = business_now(tx, simulated=self._simulated)
            if now is None:
                return _NOTHING  # nothing was heard of time yet
            full = [str(channel) for channel, free in (room or {}).items() if free < 1]
            due = {"now": now, "limit": limit, "worker": this_worker(), "full": full}
            rows = tx.execute(_DUE, due).fetchall()
            if not rows:
                return _NOTHING
            waiting = situations.load(tx, rows, now)
            granted = permits.lease(tx, len(rows))
            left = {each: min(count, (room or granted)[each]) for each, count in granted.items()}
            claimed = self._carry_out(tx, decide(waiting, left, self._rules), now)
            used = Counter(one.channel for one in claimed)
            permits.give_back(tx, ((each, count - used[each]) for each, count in granted.items()))
            failpoints.hit("intent_claimed")
        failpoints.hit("claim_committed")
        return Claims(claimed, is_all=len(rows) < limit)

    def record(self, results: Sequence[tuple[ClaimedMessage, Outcome]]) -> None:
        """See `OutboundQueue.record`."""
        if not results:
            return
        tried = [
            (claimed.practice_id, claimed.message_id, claimed.attempt) for claimed, _ in results
        ]
        practices, messages, numbers = map(list, zip(*tried, strict=True))
        columns = {"practices": practices, "messages": messages, "numbers": numbers}
        with self._database.transaction() as tx:
            found = {
                (row.practice_id, row.message_id, row.number): row
                for row in tx.execute(_LOCK, columns)
            }
            now = business_now(tx, simulated=self._simulated)
            written = PendingWrites()
            for key, (claimed, outcome) in zip(tried, results, strict=True):
                row = found[key]
                if row.outcome is None or _replaces_unknown(row.outcome, outcome):
                    self._apply_outcome(written, row, claimed, outcome, now or row.sent_at)
            self._write(tx, written)

    def recover(self) -> int:
        """See `OutboundQueue.recover`. What a dead worker had claimed may have been sent."""
        with self._database.transaction() as tx:
            tx.execute(_END_REPEATS)
            rows = tx.execute(_LOST).fetchall()
        self.record([(_lost(row), Unknown(f"{row.channel}:{LOST_WORKER}")) for row in rows])
        return len(rows)

    def _carry_out(
        self, tx: sa.Connection, decided: Sequence[DecidedMessage], now: datetime
    ) -> list[ClaimedMessage]:
        written = PendingWrites()
        sends = []
        for each in decided:
            decision = each.decision
            who = _message_key(each.message)
            if isinstance(decision, Send):
                sends.append((each.message, decision.route))
            elif isinstance(decision, Throttled):
                place = {"turn": decision.turn, "channel": str(decision.channel)}
                written.add(_THROTTLE, {**who, **place})
            elif isinstance(decision, LeaveUnknown):
                written.add(_LEAVE, who)
            else:
                _move(written, each.message, decision, now)
        claimed = self._claim(tx, written, sends, now)
        self._write(tx, written)
        return claimed

    def _claim(
        self,
        tx: sa.Connection,
        written: "PendingWrites",
        sends: Sequence[tuple[DueMessage, Route]],
        now: datetime,
    ) -> list[ClaimedMessage]:
        recipients = situations.recipients(tx, [waiting.change for waiting, _ in sends])
        histories = situations.histories(tx, [w for w, _ in sends if w.attempts])
        claimed = []
        for waiting, route in sends:
            change, channel = waiting.change, route.channel
            place = (change.practice_id, change.client_id, channel)
            recipient = recipients[place]
            try:
                address = self._keyring.unseal(recipient.sealed_address, address_place(*place))
                name = self._keyring.unseal(recipient.sealed_name, name_place(*place))
            except CannotUnseal:
                self._put_off(written, waiting, now)
                continue
            who = _message_key(waiting)
            number = waiting.attempts + 1
            taken = {
                "channel": str(channel),
                "template": route.template,
                "contact_index": waiting.situation.contacts[channel],
                "lease": self._lease_seconds,
            }
            written.add(_CLAIM, {**who, **taken, "now": now})
            written.add(_TRY, {**who, "number": number, "channel": str(channel), "now": now})
            event = message_event(waiting, now, state=State.SENDING, channel=channel, reason=None)
            written.events.append(event)
            tried = histories.get(waiting.message_id, situations.UNTRIED)
            claimed.append(
                ClaimedMessage(
                    practice_id=change.practice_id,
                    message_id=waiting.message_id,
                    client_id=change.client_id,
                    channel=channel,
                    purpose=waiting.play.purpose,
                    template=route.template,
                    address=address,
                    name=name,
                    language=recipient.language,
                    practice_name=recipient.practice_name,
                    attempt=number,
                    first_try_seconds=tried.seconds,
                    unsure=tried.unsure,
                )
            )
        return claimed

    def _put_off(self, written: "PendingWrites", waiting: DueMessage, now: datetime) -> None:
        """No key of ours opens this contact. That is for whoever keeps the keys to mend, in the
        message's time; nobody else's message waits for it."""
        if waiting.unsure_of:
            written.add(_LEAVE, _message_key(waiting))
            return
        until = min(now + self._rules.longest_lag, waiting.due_at + waiting.play.expires_after)
        _move(written, waiting, Defer(until, UNREADABLE), now)

    def _apply_outcome(
        self,
        written: "PendingWrites",
        row: sa.Row[Any],
        claimed: ClaimedMessage,
        outcome: Outcome,
        now: datetime,
    ) -> None:
        who = {"practice_id": claimed.practice_id, "message_id": claimed.message_id}
        update = apply_outcome(claimed, outcome, self._policies[claimed.channel])
        finished = {"outcome": update.outcome, "code": update.code}
        written.add(_FINISH, {**who, "number": claimed.attempt, **finished})
        if row.attempts > claimed.attempt:
            return  # a later try is under way; its answer decides
        if row.state != State.SENDING and update.event is Event.RETRY:
            return  # taken for lost meanwhile, and unknown it stays
        state = advance(State(row.state), update.event)
        written.add(
            _APPLY_OUTCOME,
            {
                **who,
                "state": str(state),
                "reason": update.code,
                "provider_ref": update.provider_ref,
                "now": now,
                "wait": update.retry_seconds or 0,
                "keyed": update.keyed_seconds,
            },
        )
        written.events.append(
            message_event_of_row(row, state=str(state), reason=update.code, at=now)
        )

    def _write(self, tx: sa.Connection, written: "PendingWrites") -> None:
        for statement, rows in written.statements.items():
            tx.execute(statement, rows)
        append(tx, [self._encode(event) for event in written.events])


def _replaces_unknown(recorded: str, outcome: Outcome) -> bool:
    """An answer that comes after its worker was taken for dead replaces `unknown`, nothing else."""
    return recorded == "unknown" and not isinstance(outcome, Unknown)


def _lost(row: sa.Row[Any]) -> ClaimedMessage:
    """A claim of which nobody has said what became; nothing personal is needed to settle it."""
    return ClaimedMessage(
        practice_id=row.practice_id,
        message_id=row.message_id,
        client_id=row.client_id,
        channel=Channel(row.channel),
        purpose=Purpose(row.purpose),
        template="",
        address="",
        name="",
        language="",
        practice_name="",
        attempt=row.attempts,
        first_try_seconds=float(row.seconds),
        unsure=row.unsure,
    )


def _message_key(waiting: DueMessage) -> dict[str, Any]:
    return {"practice_id": waiting.change.practice_id, "message_id": waiting.message_id}


def _move(
    written: PendingWrites, waiting: DueMessage, decision: Defer | Suppress, now: datetime
) -> None:
    """Put a message off, or end it. Every waiting state knows the same events, so which of them
    it was in is no matter."""
    state = advance(State.SCHEDULED, event_of(decision))
    decide_at = decision.until if isinstance(decision, Defer) else now
    moved = {"state": str(state), "reason": decision.reason, "decide_at": decide_at}
    written.add(_MOVE, {**_message_key(waiting), **moved, "now": now})
    written.events.append(
        message_event(waiting, now, state=state, channel=None, reason=decision.reason)
    )
