"""The desk of waiting messages: claim what may go, write down what became of it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outreach_service.domain.gates import Defer, Send
from outreach_service.domain.messages import (
    Event,
    Outcome,
    RetryPolicy,
    State,
    Unknown,
    advance,
    event_of,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers import decide, settle
from outreach_service.ports import Claimed, Decided, LeaveUnknown, MessageNews, Throttled
from outreach_service.sealing import Keyring, Place
from outreach_service.store import permits, situations
from outreach_service.store.clock import business_now
from rapport_runtime import failpoints
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database
from rapport_runtime.outbox import append

LOST_WORKER = "worker-lost"
RATE_LIMIT = "rate-limit"

_DUE = sa.text("""
    SELECT practice_id, message_id, client_id, partition, play, step, tier_version, play_body,
           purpose, change, due_at, approved, attempts, state, channel
    FROM message
    WHERE (state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff')
           OR retry_until IS NOT NULL)
      AND decide_at <= :now AND not_before <= clock_timestamp()
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
_THROTTLE = sa.text("""
    UPDATE message SET reason = 'rate-limit',
        not_before = clock_timestamp() + make_interval(secs => 1.0 / (
            SELECT max(per_second) FROM permit))
    WHERE practice_id = :practice_id AND message_id = :message_id
""")
_LOCK = sa.text("""
    SELECT m.practice_id, m.message_id, m.client_id, m.partition, m.play, m.step, m.tier_version,
           m.purpose, m.channel, m.state, m.sent_at, m.attempts, a.outcome
    FROM message m JOIN attempt a USING (practice_id, message_id)
    WHERE m.practice_id = :practice_id AND m.message_id = :message_id AND a.number = :number
    FOR UPDATE
""")
_FINISH = sa.text("""
    UPDATE attempt SET finished_at = clock_timestamp(), outcome = :outcome, code = :code
    WHERE practice_id = :practice_id AND message_id = :message_id AND number = :number
""")
_SETTLE = sa.text("""
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


class PostgresDesk:
    """`Desk` over one database."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        policies: Mapping[Channel, RetryPolicy],
        announce: Callable[[MessageNews], Outgoing],
        *,
        simulated: bool,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._policies = policies
        self._announce = announce
        self._simulated = simulated
        self._lease_seconds = lease_seconds

    def claim(self, limit: int) -> list[Claimed]:
        """See `Desk.claim`. Consent, bookings, caps and permits are looked at under the clients'
        and contact points' locks, and what is claimed commits with them (R24, R25)."""
        with self._database.transaction() as tx:
            now = business_now(tx, simulated=self._simulated)
            if now is None:
                return []  # nothing was heard of time yet
            tx.execute(_END_REPEATS)
            rows = tx.execute(_DUE, {"now": now, "limit": limit}).fetchall()
            if not rows:
                return []
            waiting = situations.load(tx, rows, now)
            granted = permits.lease(tx, len(rows))
            left = dict(granted)
            decided = decide(waiting, left)
            permits.give_back(tx, left.items())
            claimed = [one for each in decided if (one := self._carry_out(tx, each, now))]
            failpoints.hit("intent_claimed")
        failpoints.hit("claim_committed")
        return claimed

    def record(self, results: Sequence[tuple[Claimed, Outcome]]) -> None:
        """See `Desk.record`."""
        for claimed, outcome in results:
            with self._database.transaction() as tx:
                self._settle(tx, claimed, outcome)

    def recover(self) -> int:
        """See `Desk.recover`. What a dead worker had claimed may have been sent."""
        with self._database.transaction() as tx:
            rows = tx.execute(_LOST).fetchall()
        self.record([(_lost(row), Unknown(f"{row.channel}:{LOST_WORKER}")) for row in rows])
        return len(rows)

    def _carry_out(self, tx: sa.Connection, decided: Decided, now: datetime) -> Claimed | None:
        waiting, decision = decided
        who = {"practice_id": waiting.change.practice_id, "message_id": waiting.message_id}
        if isinstance(decision, Throttled):
            tx.execute(_THROTTLE, who)
            return None
        if isinstance(decision, LeaveUnknown):
            tx.execute(_LEAVE, who)
            return None
        if isinstance(decision, Send):
            return self._claim(tx, decided, decision, now)
        decide_at = decision.until if isinstance(decision, Defer) else now
        state = advance(State.SCHEDULED, event_of(decision))
        moved = {"state": str(state), "reason": decision.reason, "decide_at": decide_at}
        tx.execute(_MOVE, {**who, **moved, "now": now})
        self._say(tx, decided, str(state), decision.reason, None, now)
        return None

    def _claim(self, tx: sa.Connection, decided: Decided, decision: Send, now: datetime) -> Claimed:
        waiting = decided.waiting
        change, channel = waiting.change, decision.route.channel
        who = {"practice_id": change.practice_id, "message_id": waiting.message_id}
        index = waiting.situation.contacts[channel]
        tx.execute(
            _CLAIM,
            {
                **who,
                "channel": str(channel),
                "template": decision.route.template,
                "contact_index": index,
                "now": now,
                "lease": self._lease_seconds,
            },
        )
        number = waiting.attempts + 1
        tx.execute(_TRY, {**who, "number": number, "channel": str(channel), "now": now})
        self._say(tx, decided, str(State.SENDING), None, channel, now)
        person = situations.person(tx, change.practice_id, change.client_id, channel)
        history = situations.history(tx, change.practice_id, waiting.message_id)
        return Claimed(
            practice_id=change.practice_id,
            message_id=waiting.message_id,
            client_id=change.client_id,
            channel=channel,
            purpose=waiting.play.purpose,
            template=decision.route.template,
            address=self._unseal(person.sealed_address, change, f"contact.{channel}"),
            name=self._unseal(person.sealed_name, change, f"name.{channel}"),
            language=person.language,
            practice_name=person.practice_name,
            attempt=number,
            first_try_seconds=history.seconds,
            unsure=history.unsure,
        )

    def _settle(self, tx: sa.Connection, claimed: Claimed, outcome: Outcome) -> None:
        who = {"practice_id": claimed.practice_id, "message_id": claimed.message_id}
        row = tx.execute(_LOCK, {**who, "number": claimed.attempt}).one()
        now = business_now(tx, simulated=self._simulated) or row.sent_at
        if row.outcome is not None and not _is_news(row.outcome, outcome):
            return
        verdict = settle(claimed, outcome, self._policies[claimed.channel])
        tx.execute(
            _FINISH,
            {**who, "number": claimed.attempt, "outcome": verdict.outcome, "code": verdict.code},
        )
        if row.attempts > claimed.attempt:
            return  # a later try is under way; its answer decides
        if row.state != State.SENDING and verdict.event is Event.RETRY:
            return  # taken for lost meanwhile, and unknown it stays
        state = advance(State(row.state), verdict.event)
        tx.execute(
            _SETTLE,
            {
                **who,
                "state": str(state),
                "reason": verdict.code,
                "provider_ref": verdict.provider_ref,
                "now": now,
                "wait": verdict.retry_seconds or 0,
                "keyed": verdict.keyed_seconds,
            },
        )
        news = _news_of(row, state=str(state), reason=verdict.code, at=now)
        append(tx, [self._announce(news)])

    def _say(
        self,
        tx: sa.Connection,
        decided: Decided,
        state: str,
        reason: str | None,
        channel: Channel | None,
        now: datetime,
    ) -> None:
        waiting = decided.waiting
        news = MessageNews(
            practice_id=waiting.change.practice_id,
            message_id=waiting.message_id,
            client_id=waiting.change.client_id,
            partition=waiting.partition,
            play=waiting.play.key,
            step=waiting.step,
            tier_version=waiting.change.version,
            channel=channel,
            purpose=str(waiting.play.purpose),
            state=state,
            reason=reason,
            at=now,
        )
        append(tx, [self._announce(news)])

    def _unseal(self, sealed: str, change: Any, field: str) -> str:
        return self._keyring.unseal(sealed, Place(change.practice_id, change.client_id, field))


def _is_news(recorded: str, outcome: Outcome) -> bool:
    """An answer that comes after its worker was taken for dead replaces `unknown`, nothing else."""
    return recorded == "unknown" and not isinstance(outcome, Unknown)


def _lost(row: sa.Row[Any]) -> Claimed:
    """A claim of which nobody has said what became; nothing personal is needed to settle it."""
    return Claimed(
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


def _news_of(row: sa.Row[Any], *, state: str, reason: str | None, at: datetime) -> MessageNews:
    return MessageNews(
        practice_id=row.practice_id,
        message_id=row.message_id,
        client_id=row.client_id,
        partition=row.partition,
        play=row.play,
        step=row.step,
        tier_version=row.tier_version,
        channel=row.channel,
        purpose=row.purpose,
        state=state,
        reason=reason,
        at=at,
    )
