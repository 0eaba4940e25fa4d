"""What each adapter of scoring's ports must do; a test class for each adapter inherits it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import pytest

from rapport_contracts import codec, topics
from rapport_contracts.ranges import LATEST
from rapport_runtime.bus.port import Outgoing
from scoring_service.domain.client_state import ClientState, OpenCause, Stretch
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import Fact
from scoring_service.domain.walk import first_assessment
from scoring_service.ports import ClientKey, Stores, Tiers, TierTransition
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.worlds.feed import event_id

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA, BEN = ClientKey("harbour", "ada"), ClientKey("harbour", "ben")
FOREIGN = ClientKey("lakeside", "ada")


class Failure(Exception):
    """What a use case raises in the middle of a transaction."""


class StoreAdapter(Protocol):
    """An empty database of scoring: its ports, and a look behind them."""

    stores: Stores
    tiers: Tiers

    def pass_watermark(self, partition: int, instant: datetime) -> None:
        """Bring a partition's business time to an instant, as the loop does with a batch."""

    def swept(self) -> Mapping[int, datetime]:
        """How far each partition is swept."""

    def hold(self, partition: int) -> AbstractContextManager[None]:
        """Lock a partition's position, as a batch of another worker does."""

    def outbox(self) -> Sequence[Outgoing]:
        """What was appended, in order."""

    def practices(self) -> Sequence[tuple[str, str]]:
        """Id and name of each practice."""


def new_client(
    key: ClientKey = ADA, partition: int = 0, zone: str = "Asia/Shanghai"
) -> ClientState:
    """A client who came once on DAY, folded and not assessed."""
    digest = Digest()
    digest.add("completed", DAY, 1, 0)
    return ClientState(*key, partition, zone, last_sequence=1, digest=digest)


def assessed(state: ClientState, review_at: datetime | None = None) -> TierTransition:
    """Assess a client for the first time, on DAY."""
    made = first_assessment(state, RULEBOOK, DAY)
    state.review_at = review_at
    return TierTransition(state, made, None)


def keys(states: Sequence[ClientState]) -> list[str]:
    return [state.client_id for state in states]


class StoreSuite:
    """`Stores`, `Store` and `Clients`."""

    def save(self, adapter: StoreAdapter, *states: ClientState) -> None:
        with adapter.stores.open() as store:
            store.clients.save(states)

    def load(self, adapter: StoreAdapter, *wanted: ClientKey) -> Mapping[ClientKey, ClientState]:
        with adapter.stores.open() as store:
            return store.clients.load(wanted)

    def due(self, adapter: StoreAdapter, until: Mapping[int, datetime], limit: int) -> list[str]:
        with adapter.stores.open() as store:
            return keys(store.clients.due(until, limit))

    def test_a_client_is_loaded_as_it_was_saved(self, adapter: StoreAdapter) -> None:
        state = new_client()
        state.last_sequence, state.missing = 9, ((3, 3), (5, 7))
        state.stretches = (Stretch(1, None), Stretch(4, "0a1b2c3d"), Stretch(8, "4e5f6a7b"))
        state.first_skipped_sequence, state.first_repeated_sequence = 2, 4
        assessed(state, NOON)
        state.reviewed = True
        self.save(adapter, state)
        assert self.load(adapter, ADA) == {ADA: state}

    def test_a_source_event_that_had_not_ended_is_loaded_as_it_was_saved(
        self, adapter: StoreAdapter
    ) -> None:
        state, at = new_client(), NOON + timedelta(microseconds=1)
        assessed(state, at)
        paid = Fact(
            "act-2", 1, 2, "settled", DAY, state.zone, 1, 2**63 - 1, at, NOON, backfill=True
        )
        paid.source, paid.cause_id, paid.is_last_of_cause = "\u53f0", "e-2", False
        state.open_cause = OpenCause(DAY, (paid,))
        self.save(adapter, state)
        assert self.load(adapter, ADA) == {ADA: state}
        assert self.due(adapter, {0: NOON}, 10) == []
        assert self.due(adapter, {0: at}, 10) == ["ada"]
        state.open_cause = None
        state.reviewed = True
        self.save(adapter, state)
        assert self.load(adapter, ADA) == {ADA: state}

    def test_the_widest_numbers_are_loaded_as_they_were_saved(self, adapter: StoreAdapter) -> None:
        state = new_client()
        state.last_sequence, state.missing = 2**62, ((1, 2**62 - 1),)
        for sign in (1, -1):
            for kind in ("completed", "settled"):
                day = DAY + sign * timedelta(days=1)
                for _ in range(3):
                    state.digest.add(kind, day, sign * 2**31, sign * 2**63)
        state.effective_at = LATEST - timedelta(microseconds=1)
        self.save(adapter, state)
        assert self.load(adapter, ADA) == {ADA: state}

    def test_a_client_without_a_fact_gets_its_zone_with_the_first(
        self, adapter: StoreAdapter
    ) -> None:
        self.save(adapter, new_client(zone=""))
        with adapter.stores.open() as store:
            assert store.zones_of(0) == set()
            store.await_first_assessment(0, NOON)
        assert self.load(adapter, ADA)[ADA].review_at is None
        self.save(adapter, new_client(zone="Asia/Shanghai"))
        assert self.load(adapter, ADA)[ADA].zone == "Asia/Shanghai"

    def test_a_client_who_was_never_assessed_is_loaded_without_a_tier(
        self, adapter: StoreAdapter
    ) -> None:
        self.save(adapter, new_client())
        loaded = self.load(adapter, ADA)[ADA]
        assert loaded == new_client()
        assert (loaded.tier, loaded.assessed_on, loaded.reviewed) == (None, None, False)

    def test_clients_who_do_not_exist_are_left_out(self, adapter: StoreAdapter) -> None:
        self.save(adapter, new_client())
        assert self.load(adapter, ADA, BEN, FOREIGN).keys() == {ADA}
        assert self.load(adapter) == {}

    def test_what_is_loaded_changes_only_when_it_is_saved(self, adapter: StoreAdapter) -> None:
        self.save(adapter, new_client())
        with adapter.stores.open() as store:
            store.clients.load([ADA])[ADA].digest.add("completed", DAY, 1, 0)
        assert self.load(adapter, ADA) == {ADA: new_client()}

    def test_a_client_who_is_saved_again_keeps_partition_and_zone(
        self, adapter: StoreAdapter
    ) -> None:
        self.save(adapter, new_client())
        other = new_client(partition=1, zone="Europe/London")
        other.last_sequence, other.review_at = 7, NOON
        self.save(adapter, other)
        loaded = self.load(adapter, ADA)[ADA]
        assert (loaded.partition, loaded.zone, loaded.generation) == (0, "Asia/Shanghai", 1)
        assert (loaded.last_sequence, loaded.review_at) == (7, NOON)

    def test_nothing_stays_of_a_transaction_that_fails(self, adapter: StoreAdapter) -> None:
        with suppress(Failure), adapter.stores.open() as store:
            state = new_client()
            store.clients.record([assessed(state)])
            store.clients.save([state])
            raise Failure
        assert self.load(adapter, ADA) == {}
        assert adapter.outbox() == []

    def test_due_clients_are_those_of_the_partition_whose_review_has_come(
        self, adapter: StoreAdapter
    ) -> None:
        clients = []
        for name, partition, review_at in [
            ("late", 0, NOON + HOUR),
            ("now", 0, NOON),
            ("early", 0, NOON - HOUR),
            ("never", 0, None),
            ("elsewhere", 1, NOON),
            ("of another partition", 2, NOON),
        ]:
            state = new_client(ClientKey("harbour", name), partition)
            state.review_at = review_at
            clients.append(state)
        self.save(adapter, *clients)
        assert self.due(adapter, {0: NOON}, 10) == ["early", "now"]
        assert sorted(self.due(adapter, {0: NOON, 1: NOON}, 10)) == ["early", "elsewhere", "now"]
        assert self.due(adapter, {0: NOON, 1: NOON - HOUR}, 1) == ["early"]
        assert self.due(adapter, {}, 10) == []

    def test_the_first_watermark_makes_due_who_waits_for_it_alone(
        self, adapter: StoreAdapter
    ) -> None:
        waits, elsewhere = new_client(), new_client(ClientKey("harbour", "eve"), partition=1)
        known, waited = new_client(BEN), new_client(FOREIGN)
        assessed(known)
        waited.review_at = NOON - HOUR
        self.save(adapter, waits, elsewhere, known, waited)
        with adapter.stores.open() as store:
            store.await_first_assessment(0, NOON)
        found = self.load(adapter, ADA, BEN, FOREIGN, ClientKey("harbour", "eve"))
        assert {key: state.review_at for key, state in found.items()} == {
            ADA: NOON,
            BEN: None,
            FOREIGN: NOON - HOUR,
            ClientKey("harbour", "eve"): None,
        }

    def test_the_zones_of_a_partition_are_those_of_its_clients(self, adapter: StoreAdapter) -> None:
        self.save(
            adapter,
            new_client(ADA, 0, "Asia/Shanghai"),
            new_client(BEN, 0, "Europe/London"),
            new_client(FOREIGN, 1, "Africa/Cairo"),
        )
        with adapter.stores.open() as store:
            assert store.zones_of(0) == {"Asia/Shanghai", "Europe/London"}
            assert store.zones_of(2) == set()

    def test_a_partition_is_swept_once_for_each_watermark(self, adapter: StoreAdapter) -> None:
        adapter.pass_watermark(0, NOON)
        adapter.pass_watermark(1, NOON + HOUR)
        with adapter.stores.open() as store:
            until = store.lock_unswept([0, 1, 2])
            assert until == {0: NOON, 1: NOON + HOUR}
            store.mark_swept({0: NOON})
            assert store.lock_unswept([0, 1, 2]) == {1: NOON + HOUR}
            assert store.lock_unswept([0]) == {}
        adapter.pass_watermark(0, NOON + HOUR)
        with adapter.stores.open() as store:
            assert store.lock_unswept([0]) == {0: NOON + HOUR}

    def test_a_sweep_never_goes_back(self, adapter: StoreAdapter) -> None:
        adapter.pass_watermark(0, NOON)
        for instant in (NOON, NOON - HOUR):
            with adapter.stores.open() as store:
                store.mark_swept({0: instant})
        assert adapter.swept() == {0: NOON}

    def test_partitions_of_another_worker_are_not_swept(self, adapter: StoreAdapter) -> None:
        adapter.pass_watermark(0, NOON)
        adapter.pass_watermark(1, NOON)
        with adapter.hold(0), adapter.stores.open() as store:
            assert store.lock_unswept([0, 1]) == {1: NOON}

    def test_changes_are_recorded_in_the_history_and_the_outbox(
        self, adapter: StoreAdapter
    ) -> None:
        ada, ben = new_client(ADA), new_client(BEN, 1)
        transitions = [assessed(ada), assessed(ben)]
        with adapter.stores.open() as store:
            store.clients.save([ada, ben])
            store.clients.record(transitions)
            store.clients.record([])
        outbox = adapter.outbox()
        places = [(row.topic, row.partition, row.key) for row in outbox]
        assert places == [
            (topics.TIER_CHANGES.name, 0, b"ada"),
            (topics.TIER_CHANGES.name, 1, b"ben"),
        ]
        assert [event_id(row.value) for row in outbox] == [
            "harbour.ada.rfm.1",
            "harbour.ben.rfm.1",
        ]
        assert [codec.practice_of(row.value) for row in outbox] == ["harbour", "harbour"]
        (line,) = adapter.tiers.history("harbour", "ada", "rfm", 0, 10) or ()
        expected = transitions[0].change
        scheme = {"scheme": "rfm", "is_primary": True, "rulebook_version": 1, "due_on": None}
        assert (
            line._asdict()
            == {name: getattr(expected, name) for name in line._fields if name not in scheme}
            | scheme
        )

    def test_a_practice_is_stored_as_it_was_last_saved(self, adapter: StoreAdapter) -> None:
        practice = {"practice_id": "harbour", "zone": "Europe/London", "currency": "GBP"}
        with adapter.stores.open() as store:
            store.save_practice({**practice, "name": "Harbour", "said_at": NOON})
            store.save_practice({**practice, "name": "New Harbour", "said_at": NOON})
        assert adapter.practices() == [("harbour", "New Harbour")]

    def test_what_was_said_of_a_practice_before_does_not_replace_it(
        self, adapter: StoreAdapter
    ) -> None:
        """As when a letter is replayed that has waited."""
        practice = {"practice_id": "harbour", "zone": "Europe/London", "currency": "GBP"}
        with adapter.stores.open() as store:
            store.save_practice({**practice, "name": "Harbour", "said_at": NOON})
            earlier = NOON - timedelta(days=1)
            store.save_practice({**practice, "name": "Old Harbour", "said_at": earlier})
        assert adapter.practices() == [("harbour", "Harbour")]


class TiersSuite:
    """`Tiers`: what the API reads of what a worker has written."""

    @pytest.fixture
    def tiers(self, adapter: StoreAdapter) -> Tiers:
        """Ada and Ben of harbour and Ada of lakeside, all in one tier; Eve without one."""
        clients = [new_client(ADA), new_client(BEN, 1), new_client(FOREIGN)]
        transitions = [assessed(state) for state in clients]
        eve = new_client(ClientKey("harbour", "eve"))
        eve.missing = ((4, 5), (7, 7))
        eve.first_skipped_sequence, eve.first_repeated_sequence = 8, 9
        for partition in (0, 1):
            adapter.pass_watermark(partition, NOON + partition * HOUR)
        with adapter.stores.open() as store:
            store.clients.save([*clients, eve])
            store.clients.record(transitions)
            store.mark_swept({0: NOON})
        return adapter.tiers

    def test_clients_are_found_by_id_in_their_own_practice_alone(self, tiers: Tiers) -> None:
        found = {row.client_id: row for row in tiers.of_clients("harbour", ["ada", "eve", "x"])}
        assert found.keys() == {"ada", "eve"}
        ada, eve = found["ada"], found["eve"]
        state = new_client(ADA)
        transition = assessed(state)
        assert ada == (
            "ada",
            "Asia/Shanghai",
            state.digest.to_bytes(),
            DAY,
            transition.change.to_tier,
            transition.change.score,
            1,
            transition.change.effective_at,
            NOON,
            *(None, None, None, False, None),
            *(False, None, None, None),
        )
        assert (eve.assessed_on, eve.tier, eve.version, eve.since) == (None, None, 0, None)
        assert (eve.first_missing_sequence, eve.first_skipped_sequence) == (4, 8)
        assert eve.first_repeated_sequence == 9
        assert tiers.of_clients("lakeside", ["ben"]) == []

    def test_a_client_of_a_partition_that_was_never_swept_has_no_as_of(self, tiers: Tiers) -> None:
        (ben,) = tiers.of_clients("harbour", ["ben"])
        assert (ben.as_of, ben.assessed_on) == (None, DAY)

    def test_one_read_for_several_practices_gives_each_its_own(self, tiers: Tiers) -> None:
        wanted = {"harbour": ["ada", "ben"], "lakeside": ["ada", "ben"], "nobody": ["ada"]}
        found = asyncio.run(tiers.of_practices(wanted))  # type: ignore[arg-type]  # a coroutine
        ids = {name: sorted(row.client_id for row in rows) for name, rows in found.items()}
        assert ids == {"harbour": ["ada", "ben"], "lakeside": ["ada"], "nobody": []}

    def test_the_clients_of_a_tier_come_by_id_page_by_page(self, tiers: Tiers) -> None:
        tier = (tiers.history("harbour", "ada", "rfm", 0, 1) or ())[0].to_tier
        pages = [tiers.in_tier("harbour", tier, after, 1) for after in ("", "ada", "ben")]
        assert [[row.client_id for row in page] for page in pages] == [["ada"], ["ben"], []]
        assert tiers.in_tier("harbour", "gold", "", 10) == []

    def test_a_history_is_read_behind_a_version(self, tiers: Tiers) -> None:
        assert [line.version for line in tiers.history("harbour", "ada", "rfm", 0, 10) or ()] == [1]
        assert tiers.history("harbour", "ada", "rfm", 1, 10) == []
        assert tiers.history("harbour", "eve", "rfm", 0, 10) == []
        assert tiers.history("harbour", "nobody", "rfm", 0, 10) is None
        assert tiers.history("lakeside", "ben", "rfm", 0, 10) is None

    def test_a_history_is_of_one_scheme(self, tiers: Tiers) -> None:
        assert tiers.history("harbour", "ada", "loyalty", 0, 10) == []

    def test_counts_are_of_one_practice_and_as_of_waits_for_every_partition(
        self, adapter: StoreAdapter, tiers: Tiers
    ) -> None:
        tier = (tiers.history("harbour", "ada", "rfm", 0, 1) or ())[0].to_tier
        assert tiers.counts("harbour") == (None, {tier: 2})
        with adapter.stores.open() as store:
            store.mark_swept({1: NOON + HOUR})
        assert tiers.counts("lakeside") == (NOON, {tier: 1})

    def test_counts_follow_who_comes_to_a_tier_and_who_leaves_it(
        self, adapter: StoreAdapter, tiers: Tiers
    ) -> None:
        with adapter.stores.open() as store:
            state = store.clients.load([ADA])[ADA]
            assert state.tier is not None
            before, state.tier = state.tier, (state.tier + 1) % len(RULEBOOK.tiers)
            first = assessed(new_client(ADA)).change
            left, entered = RULEBOOK.tiers[before].key, RULEBOOK.tiers[state.tier].key
            moved = first._replace(version=2, from_tier=left, to_tier=entered)
            store.clients.save([state])
            store.clients.record([TierTransition(state, moved, None)])
        assert tiers.counts("harbour")[1] == {left: 1, entered: 1}
        assert tiers.counts("lakeside")[1] == {left: 1}
