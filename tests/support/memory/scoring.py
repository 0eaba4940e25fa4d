"""Scoring's ports in memory: what `store/` does on Postgres, in plain Python, for one thread."""

import copy
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any

from rapport_contracts import codec
from rapport_runtime.bus.port import Outgoing
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.digest import Digest
from scoring_service.domain.keeping import is_kept
from scoring_service.domain.next_generation import NextGeneration
from scoring_service.domain.rulebook import Rulebook
from scoring_service.ports import (
    ChangeRow,
    ClientKey,
    EntriesGone,
    FeedEntry,
    FeedPage,
    FeedPositions,
    PracticePlace,
    StoredTier,
    TierTransition,
)
from tests.support.memory.keys import merge_key
from tests.support.memory.scoring_holds import HoldRows, MemoryHolds


@dataclass
class Rows:
    """All that is stored. `processed` and `swept` are instants by partition, as in the positions
    of the loop. `overdue` are those whose next generation is older than an hour."""

    clients: dict[ClientKey, ClientState] = field(default_factory=dict)
    history: dict[ClientKey, list[ChangeRow]] = field(default_factory=dict)
    outbox: list[Outgoing] = field(default_factory=list)
    practices: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    processed: dict[int, datetime] = field(default_factory=dict)
    swept: dict[int, datetime] = field(default_factory=dict)
    first_watermarks: dict[int, datetime] = field(default_factory=dict)
    holds: HoldRows = field(default_factory=dict)
    next: dict[ClientKey, NextGeneration] = field(default_factory=dict)
    overdue: set[ClientKey] = field(default_factory=set)


class MemoryStores:
    """`Stores`; what an open store wrote is taken back when its block raises."""

    def __init__(self, rulebook: Rulebook, encode: Callable[[TierTransition], Outgoing]) -> None:
        self.rulebook = rulebook
        self.encode = encode
        self.rows = Rows()
        self.held_by_another: set[int] = set()

    def within(self, _tx: Any) -> "MemoryStore":
        """See `Stores.within`."""
        return MemoryStore(self)

    def holds(self) -> MemoryHolds:
        """The holds as they are now."""
        return MemoryHolds(self.rows.holds, self.rows.first_watermarks)

    @contextmanager
    def open(self) -> Iterator["MemoryStore"]:
        """See `Stores.open`."""
        before = copy.deepcopy(self.rows)
        try:
            yield self.within(None)
        except BaseException:
            self.rows = before
            raise


class MemoryStore:
    """`Store` over the rows of its stores."""

    def __init__(self, stores: MemoryStores) -> None:
        self._stores = stores
        self.clients = MemoryClients(stores)
        self.holds = stores.holds()

    def save_practice(self, practice: Mapping[str, Any]) -> None:
        """See `Store.save_practice`."""
        practices = self._stores.rows.practices
        known = practices.get(practice["practice_id"])
        if known is None or known["said_at"] <= practice["said_at"]:
            practices[practice["practice_id"]] = dict(practice)

    def save_key(self, key: Mapping[str, Any]) -> None:
        """See `Store.save_key`."""
        merge_key(self._stores.rows.keys, key)

    def zones_of(self, partition: int) -> set[str]:
        """See `Store.zones_of`."""
        rows = self._stores.rows
        known = [*rows.clients.values(), *(beside.state for beside in rows.next.values())]
        return {client.zone for client in known if client.partition == partition and client.zone}

    def await_first_assessment(self, partition: int, watermark: datetime) -> None:
        """See `Store.await_first_assessment`."""
        self._stores.rows.first_watermarks.setdefault(partition, watermark)
        for client in self._stores.rows.clients.values():
            waits = client.assessed_on is None and client.review_at is None
            if waits and client.zone and client.partition == partition:
                client.review_at = watermark

    def lock_unswept(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """See `Store.lock_unswept`."""
        rows = self._stores.rows
        return {
            partition: watermark
            for partition, watermark in sorted(rows.processed.items())
            if partition in partitions
            and partition not in self._stores.held_by_another
            and rows.swept.get(partition) != watermark
        }

    def mark_swept(self, until: Mapping[int, datetime]) -> None:
        """See `Store.mark_swept`."""
        swept = self._stores.rows.swept
        for partition, instant in until.items():
            swept[partition] = max(instant, swept.get(partition, instant))


class MemoryClients:
    """`Clients` over the rows of its stores; callers get copies, as from a database."""

    def __init__(self, stores: MemoryStores) -> None:
        self._stores = stores

    def load(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, ClientState]:
        """See `Clients.load`."""
        clients = self._stores.rows.clients
        return {key: copy.deepcopy(clients[key]) for key in sorted(keys) if key in clients}

    def due(self, until: Mapping[int, datetime], limit: int) -> Sequence[ClientState]:
        """See `Clients.due`."""
        due = []
        for partition, instant in until.items():
            of_partition = [
                (client.review_at, client)
                for client in self._stores.rows.clients.values()
                if client.partition == partition
                and client.held_at is None
                and client.review_at is not None
                and client.review_at <= instant
            ]
            due += [client for _, client in sorted(of_partition, key=lambda pair: pair[0])]
        holds = self._stores.holds()
        due += [
            client
            for client in self._stores.rows.clients.values()
            if client.partition in until and holds.has_moved_on_from(client)
        ]
        return copy.deepcopy(due[:limit])

    def save(self, states: Collection[ClientState]) -> None:
        """See `Clients.save`."""
        clients = self._stores.rows.clients
        for state in states:
            key = ClientKey(state.practice_id, state.client_id)
            stored = copy.deepcopy(state)
            stored.digest = Digest.from_bytes(state.digest.to_bytes())
            stored.standing = None
            stored.reviewed = state.assessed_on is not None and state.open_cause is None
            if state.assessed_on is None and state.review_at is None and state.zone:
                stored.review_at = self._stores.rows.first_watermarks.get(state.partition)
            if known := clients.get(key):
                stored = replace(stored, partition=known.partition)
                if state.generation == known.generation:
                    stored.zone = known.zone or state.zone
            clients[key] = stored

    def load_next(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, NextGeneration]:
        """See `Clients.load_next`."""
        rows = self._stores.rows.next
        return {key: copy.deepcopy(rows[key]) for key in keys if key in rows}

    def save_next(self, changed: Mapping[ClientKey, NextGeneration | None]) -> None:
        """See `Clients.save_next`."""
        rows = self._stores.rows
        for key, beside in changed.items():
            if beside is None:
                rows.next.pop(key, None)
                rows.overdue.discard(key)
            else:
                rows.next[key] = copy.deepcopy(beside)

    def record(self, transitions: Sequence[TierTransition]) -> None:
        """See `Clients.record`."""
        rows, rulebook = self._stores.rows, self._stores.rulebook
        for state, change, _ in transitions:
            line = ChangeRow(
                scheme=rulebook.key,
                version=change.version,
                rulebook_version=rulebook.version,
                is_primary=True,
                from_tier=change.from_tier,
                to_tier=change.to_tier,
                direction=change.direction,
                reason=change.reason,
                origin=change.origin,
                effective_at=change.effective_at,
                due_on=change.due_on,
                happened_at=change.happened_at,
                activity_id=change.activity_id,
                score=change.score,
            )
            key = ClientKey(state.practice_id, state.client_id)
            rows.history.setdefault(key, []).append(line)
        rows.outbox += [self._stores.encode(transition) for transition in transitions]


class MemoryTiers:
    """`Tiers` over the rows of the worker's stores."""

    def __init__(self, stores: MemoryStores) -> None:
        self._stores = stores

    def of_clients(self, practice_id: str, client_ids: Collection[str]) -> list[StoredTier]:
        """See `Tiers.of_clients`."""
        clients = self._of_practice(practice_id)
        return [self._tier(client) for client in clients if client.client_id in client_ids]

    async def of_practices(
        self, client_ids_by_practice: Mapping[str, Collection[str]]
    ) -> Mapping[str, list[StoredTier]]:
        """See `Tiers.of_practices`."""
        return {
            practice_id: self.of_clients(practice_id, client_ids)
            for practice_id, client_ids in client_ids_by_practice.items()
        }

    def in_tier(self, practice_id: str, tier: str, after: str, limit: int) -> Sequence[StoredTier]:
        """See `Tiers.in_tier`."""
        index = self._stores.rulebook.tier_named(tier)
        clients = sorted(self._of_practice(practice_id), key=lambda client: client.client_id)
        found = [c for c in clients if c.tier == index and c.client_id > after]
        return [self._tier(client) for client in found[:limit]]

    def history(
        self, practice_id: str, client_id: str, scheme: str, after: int, limit: int
    ) -> Sequence[ChangeRow] | None:
        """See `Tiers.history`."""
        key = ClientKey(practice_id, client_id)
        if key not in self._stores.rows.clients:
            return None
        lines = sorted(self._stores.rows.history.get(key, []), key=lambda line: line.version)
        return [line for line in lines if line.scheme == scheme and line.version > after][:limit]

    def counts(self, practice_id: str) -> tuple[datetime | None, Mapping[str, int]]:
        """See `Tiers.counts`."""
        rows, tiers = self._stores.rows, self._stores.rulebook.tiers
        counts: dict[str, int] = {}
        for client in self._of_practice(practice_id):
            if client.tier is not None:
                key = tiers[client.tier].key
                counts[key] = counts.get(key, 0) + 1
        are_all_swept = rows.processed.keys() == rows.swept.keys()
        if not are_all_swept or not rows.swept:
            return None, counts
        stands = self._stores.holds().swept_through(practice_id)
        return min([*rows.swept.values(), *stands]), counts

    def _of_practice(self, practice_id: str) -> list[ClientState]:
        clients = self._stores.rows.clients.values()
        return [client for client in clients if client.practice_id == practice_id]

    def _tier(self, client: ClientState) -> StoredTier:
        key = ClientKey(client.practice_id, client.client_id)
        beside = self._stores.rows.next.get(key)
        overdue = beside.state if beside and key in self._stores.rows.overdue else None
        holds = self._stores.holds().open_of(PracticePlace(client.partition, client.practice_id))
        return StoredTier(
            client_id=client.client_id,
            zone=client.zone,
            digest=client.digest.to_bytes(),
            assessed_on=client.assessed_on,
            tier=None if client.tier is None else self._stores.rulebook.tiers[client.tier].key,
            score=None if client.tier is None else client.score,
            version=client.version,
            since=client.effective_at,
            as_of=self._as_of(client),
            first_missing_sequence=client.missing[0][0] if client.missing else None,
            first_skipped_sequence=client.first_skipped_sequence,
            first_repeated_sequence=client.first_repeated_sequence,
            is_rebuilding=beside is not None,
            first_overdue_sequence=overdue and _first_missing(overdue),
            is_kept=is_kept(client),
            held_reasons=[hold.reason for hold in holds] or None,
            held_sources=[hold.source for hold in holds] or None,
            held_since=[hold.began_at for hold in holds] or None,
        )

    def _as_of(self, client: ClientState) -> datetime | None:
        swept = self._stores.rows.swept.get(client.partition)
        stands = self._stores.holds().swept_through(client.practice_id, client.partition)
        return swept and min([swept, *stands])


def _first_missing(state: ClientState) -> int:
    return state.missing[0][0] if state.missing else state.last_sequence + 1


class MemoryFeed:
    """`Feed`, and the relay's part of it: `publish` and `pass_watermark`."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._events: dict[tuple[str, int], dict[int, bytes | None]] = {}
        self._published_through: dict[int, datetime] = {}
        self._held_since: dict[str, datetime] = {}
        self.digits = "0a1b2c3d"

    @property
    def partitions(self) -> int:
        """See `Feed.partitions`."""
        return self._partitions

    def publish(self, *rows: Outgoing) -> None:
        """Number events that the bus has acknowledged."""
        for row in rows:
            place = codec.practice_of(row.value), row.partition
            events = self._events.setdefault(place, {})
            events[max(events, default=0) + 1] = row.value

    def erase(self, practice_id: str, partition: int, position: int) -> None:
        """Make a tombstone of an entry."""
        assert position in self._events[practice_id, partition]
        self._events[practice_id, partition][position] = None

    def remove(self, practice_id: str, partition: int, position: int) -> None:
        """Take an entry out altogether."""
        del self._events[practice_id, partition][position]

    def pass_watermark(self, partition: int, up_to: datetime) -> None:
        """Publish a watermark on a partition."""
        self._published_through[partition] = up_to

    def hold(self, practice_id: str, began_at: datetime) -> None:
        """Let a practice be held."""
        self._held_since[practice_id] = began_at

    def incarnation(self) -> str:
        """See `Feed.incarnation`."""
        return self.digits

    def start(self, practice_id: str) -> FeedPositions:
        """See `Feed.start`."""
        return tuple(min(events, default=1) - 1 for events in self._of_practice(practice_id))

    def head(self, practice_id: str) -> FeedPositions:
        """See `Feed.head`."""
        return tuple(max(events, default=0) for events in self._of_practice(practice_id))

    def read(self, practice_id: str, after: FeedPositions, limit: int) -> FeedPage:
        """See `Feed.read`."""
        partitions = list(zip(after, self._of_practice(practice_id), strict=True))
        left = tuple(
            min((position for position in events if position > seen), default=seen + 1) - 1
            for seen, events in partitions
        )
        if left != after:
            raise EntriesGone(left)
        ahead = [
            (position - seen, partition, FeedEntry(partition, position, events[position]))
            for partition, (seen, events) in enumerate(partitions)
            for position in itertools.takewhile(events.__contains__, itertools.count(seen + 1))
        ]
        entries = [entry for _, _, entry in sorted(ahead, key=itemgetter(0, 1))[:limit]]
        count = sum(position > seen for seen, events in partitions for position in events)
        is_whole = len(entries) == count < limit
        through = self._published_through
        is_complete = is_whole and len(through) == self._partitions
        if not is_complete:
            return FeedPage(entries, None)
        reached = min(through.values())
        return FeedPage(entries, min(reached, self._held_since.get(practice_id, reached)))

    def _of_practice(self, practice_id: str) -> list[dict[int, bytes | None]]:
        """The entries of each partition by position."""
        return [self._events.get((practice_id, number), {}) for number in range(self._partitions)]
