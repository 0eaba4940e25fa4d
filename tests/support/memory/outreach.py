"""Outreach's `Stores` in the memory of one test, with clocks that the test sets."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from outreach_service.domain.message_views import AttemptRow
from outreach_service.domain.messages import WAITING
from outreach_service.domain.terms import Channel
from outreach_service.ports.records import (
    AppliedOutcome,
    AttemptHistory,
    AttemptKey,
    DueMessage,
    FinishedAttempt,
    LaneChange,
    LostAttempt,
    MessageEvent,
    MessageKey,
    NewAttempt,
    PlannedMessage,
    Saying,
    Share,
    StateChange,
    TriedMessage,
)
from tests.support.memory.outreach_care import MemoryCareFlags
from tests.support.memory.outreach_clients import MemoryClients
from tests.support.memory.outreach_inputs import MemoryInputs
from tests.support.memory.outreach_messages import MemoryMessageTable
from tests.support.memory.outreach_preferences import (
    MemoryConsents,
    MemoryContacts,
    MemoryPlaybooks,
)
from tests.support.memory.outreach_rates import MemoryRates
from tests.support.memory.outreach_reads import MemoryReads
from tests.support.memory.outreach_rows import (
    Message,
    Rows,
    attempts_of,
    due_message,
)
from tests.support.memory.outreach_settling import MemorySettling


class MemoryQueue:
    """See `Queue`; `now` is the real clock."""

    def __init__(self, rows: Rows, now: datetime) -> None:
        self._rows = rows
        self._now = now

    def add(self, planned: Sequence[PlannedMessage]) -> Collection[str]:
        added = []
        for each in planned:
            key = MessageKey(each.change.practice_id, each.message_id)
            if key not in self._rows.messages:
                at, lane = each.due_at, each.lane
                row = Message(each, "scheduled", decide_at=at, changed_at=at, lane=lane)
                self._rows.messages[key] = row
                added.append(each.message_id)
        return added

    def lock_unbegun(self, sayings: Collection[Saying]) -> list[DueMessage]:
        rows = list(self._rows.messages.values())
        begun = {_occasion_of(row) for row in rows if row.attempts}
        return [
            due_message(row, None)
            for row in sorted(rows, key=lambda each: each.planned.message_id)
            if row.state in WAITING and _occasion_of(row) not in begun
            if Saying(*row.planned.change.client, row.planned.play.key) in sayings
        ]

    def has_due(self, now: datetime) -> bool:
        return any(self._is_due(row, now) for row in self._rows.messages.values())

    def lock_due(self, now: datetime, share: Share) -> list[DueMessage]:
        of_practices: dict[str, list[tuple[datetime, str, Message]]] = {}
        for key, row in self._rows.messages.items():
            if key.practice_id in self._rows.paused or row.lane is not share.lane:
                continue
            if self._is_due(row, now):
                own = of_practices.setdefault(key.practice_id, [])
                own.append((row.decide_at, key.message_id, row))
        ring = sorted(of_practices, key=lambda each: (each <= share.after, each))
        in_turn = sorted(
            (turn, ring.index(practice_id), row)
            for practice_id, own in of_practices.items()
            for turn, (_, _, row) in enumerate(sorted(own, key=lambda each: each[:2]))
        )
        return [due_message(row, self._rows.fence) for _, _, row in in_turn[: share.most]]

    def _is_due(self, row: Message, now: datetime) -> bool:
        may_repeat = row.retry_until is not None and row.retry_until > self._now
        is_open = row.state in WAITING or may_repeat
        return is_open and row.decide_at <= now and row.not_before <= self._now

    def histories(self, messages: Sequence[MessageKey]) -> Mapping[str, AttemptHistory]:
        return {
            key.message_id: self._history(key) for key in messages if attempts_of(self._rows, key)
        }

    def _history(self, key: MessageKey) -> AttemptHistory:
        tried = attempts_of(self._rows, key)
        seconds = (self._now - min(each.started_at for each in tried)).total_seconds()
        excused = sum(AttemptKey(*key, each.number) in self._rows.excused for each in tried)
        unsure = any(each.outcome == "unknown" for each in tried)
        return AttemptHistory(seconds, unsure, excused)

    def claim(self, attempts: Sequence[NewAttempt], now: datetime, lease_seconds: float) -> None:
        for each in attempts:
            row = self._row(each)
            row.state, row.reason, row.retry_until = "sending", None, None
            row.channel, row.template = each.channel, each.template
            row.lane = Channel(each.channel)
            row.contact_index, row.sent_at, row.changed_at = each.contact_index, now, now
            row.attempts += 1
            row.lease_until = self._now + timedelta(seconds=lease_seconds)
            key = AttemptKey(each.practice_id, each.message_id, each.number)
            assert key not in self._rows.attempts
            self._rows.attempts[key] = AttemptRow(
                each.number, each.channel, self._now, now, None, None, None
            )

    def change_states(self, changes: Sequence[StateChange], now: datetime) -> None:
        for each in changes:
            row = self._row(each)
            row.state, row.reason, row.decide_at = each.state, each.reason, each.decide_at
            row.changed_at = now

    def change_lanes(self, changes: Sequence[LaneChange]) -> None:
        for each in changes:
            self._row(each).lane = Channel(each.lane)

    def end_repeats_of(self, messages: Sequence[MessageKey]) -> None:
        for key in messages:
            self._rows.messages[key].retry_until = None

    def end_overdue_repeats(self) -> None:
        for row in self._rows.messages.values():
            if row.retry_until is not None and row.retry_until < self._now:
                row.retry_until = None

    def lost(self) -> list[LostAttempt]:
        return [
            self._lost(key, row)
            for key, row in self._rows.messages.items()
            if row.state == "sending" and row.lease_until and row.lease_until < self._now
        ]

    def _lost(self, key: MessageKey, row: Message) -> LostAttempt:
        history = self._history(key)
        assert row.channel is not None
        return LostAttempt(
            practice_id=key.practice_id,
            message_id=key.message_id,
            client_id=row.planned.change.client_id,
            channel=Channel(row.channel),
            purpose=row.planned.play.purpose,
            attempt=row.attempts,
            first_try_seconds=history.seconds,
            unsure=history.unsure,
            excused=history.excused,
        )

    def lock_tried(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, TriedMessage]:
        return {key: self._tried(key) for key in attempts}

    def _tried(self, key: AttemptKey) -> TriedMessage:
        row = self._rows.messages[MessageKey(key.practice_id, key.message_id)]
        assert row.channel is not None
        assert row.sent_at is not None
        return TriedMessage(
            *key,
            client_id=row.planned.change.client_id,
            partition=row.planned.partition,
            play=row.planned.play.key,
            step=row.planned.step,
            occasion=row.planned.occasion,
            purpose=str(row.planned.play.purpose),
            channel=row.channel,
            state=row.state,
            sent_at=row.sent_at,
            attempts=row.attempts,
            outcome=self._rows.attempts[key].outcome,
            contact_index=row.contact_index,
        )

    def finish(self, attempts: Sequence[FinishedAttempt]) -> None:
        for each in attempts:
            key = AttemptKey(each.practice_id, each.message_id, each.number)
            self._rows.attempts[key] = self._rows.attempts[key]._replace(
                finished_at=self._now, outcome=each.outcome, code=each.code
            )
            if each.is_excused:
                self._rows.excused.add(key)

    def apply(self, outcomes: Sequence[AppliedOutcome]) -> None:
        for each in outcomes:
            row = self._row(each)
            row.state, row.reason, row.lease_until = each.state, each.reason, None
            row.provider_ref = each.provider_ref or row.provider_ref
            row.changed_at = each.at
            row.not_before = self._now + timedelta(seconds=each.wait_seconds)
            row.retry_until = None
            if each.keyed_seconds is not None:
                tried = attempts_of(self._rows, MessageKey(each.practice_id, each.message_id))
                first = min(attempt.started_at for attempt in tried)
                row.retry_until = first + timedelta(seconds=each.keyed_seconds)

    def _row(self, write: NewAttempt | StateChange | LaneChange | AppliedOutcome) -> Message:
        return self._rows.messages[MessageKey(write.practice_id, write.message_id)]


def _occasion_of(row: Message) -> tuple[object, ...]:
    return row.planned.change.client, row.planned.play.key, row.planned.occasion


class MemoryStore:
    """See `Store`."""

    def __init__(self, stores: "MemoryStores", practice_id: str | None) -> None:
        self._rows, self._business_time = stores.rows, stores.business_time
        self.inputs = MemoryInputs(self._rows)
        self.settling = MemorySettling(self._rows, stores.business_time)
        self.queue = MemoryQueue(self._rows, stores.real_time)
        self.clients = MemoryClients(self._rows, stores.business_time, practice_id)
        self.rates = MemoryRates(self._rows, stores.real_time)
        self.messages = MemoryMessageTable(self._rows, practice_id)
        self.contacts = MemoryContacts(self._rows, practice_id)
        self.consents = MemoryConsents(self._rows, practice_id)
        self.playbooks = MemoryPlaybooks(self._rows, practice_id, stores.real_time)
        self.reads = MemoryReads(self._rows, practice_id, stores.real_time)
        self.care = MemoryCareFlags(self._rows)

    def lock_clients(self, practice_id: str, client_ids: Iterable[str]) -> None:
        """Does nothing: a test's transactions come one by one."""

    def business_time(self) -> datetime | None:
        return self._business_time

    def publish(self, events: Sequence[MessageEvent]) -> None:
        self._rows.events.extend(events)


class MemoryStores:
    """See `Stores`. `business_time` is simulated, `real_time` the clock of leases and waits."""

    def __init__(self, *, undoes: bool = True) -> None:
        """Without `undoes` what a failed transaction did stays: for many runs, none of which
        fails."""
        self._undoes = undoes
        self.rows = Rows()
        self.business_time: datetime | None = None
        self.real_time = datetime(2026, 6, 1, tzinfo=UTC)

    def within(self, tx: Any) -> MemoryStore:
        assert tx is None
        return MemoryStore(self, None)

    @contextmanager
    def open(self, practice_id: str | None = None) -> Iterator[MemoryStore]:
        before = deepcopy(self.rows) if self._undoes else self.rows
        try:
            yield MemoryStore(self, practice_id)
        except BaseException:
            self.rows = before
            raise
