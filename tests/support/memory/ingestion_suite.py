"""What every `Stores` and `Reads` of ingestion must do: the suite for memory and for Postgres."""

from datetime import date, timedelta

import pytest

from ingestion_service.domain.activities import ActivityOwner, registered
from ingestion_service.domain.facts import ClientId, Details
from ingestion_service.domain.standings import (
    Contribution,
    Counted,
    KeptCode,
    KeptFact,
    Standing,
)
from ingestion_service.handlers import (
    accept,
    advance_clock,
    register_client,
    register_practice,
)
from ingestion_service.ports import (
    KnownClient,
    SourceProgress,
    Stores,
)
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import (
    CODES,
    HARBOUR,
    LAKESIDE,
    LI_NA,
    WANG_FANG,
    Published,
    StoreWorld,
    append,
    delta,
    fact,
)

TODAY = date(2024, 6, 1)
BOOKED = Standing(
    created=KeptFact("created", NOON, "e1", TODAY, NOON + timedelta(microseconds=1), 0),
    last=KeptFact("no_show", NOON - timedelta(days=9), "e2", TODAY, None, 0),
    codes=(KeptCode("site", "east", (NOON, 0, "e1")),),
    effect=(Counted("booked", Contribution(TODAY, NOON, CODES, 1, 0), "a1"),),
    cancelled=KeptFact("cancelled", NOON, "e5", TODAY, None, 0, 0, "client", NOON),
    assumed=KeptFact("assumed", NOON, "e6", TODAY, None, 0),
    current="s2",
)
PAID = Standing(
    settled=KeptFact("settled", NOON, "e3", TODAY, None, 5000),
    failed=KeptFact("failed", NOON, "e4", TODAY, None, 0),
    refund_count=3,
    refunded_minor=-(10**12),
    effect=(
        Counted("settled", Contribution(TODAY, None, (), 1, 5000), "a2"),
        Counted("refunded", Contribution(TODAY, None, (), 3, 10**12), "a3"),
    ),
)


def owner_of(client_id: ClientId) -> ActivityOwner:
    """A client of Lakeside's."""
    return ActivityOwner(LAKESIDE.practice_id, client_id, 1, LAKESIDE.zone, LAKESIDE.currency)


class StoreSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture
    def stores(self, world: StoreWorld) -> Stores:
        """The world's stores, with two practices, and the clock at noon."""
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            register_practice(HARBOUR, store)
            advance_clock(NOON, store)
        return world.stores

    def test_there_is_no_time_before_the_simulated_clock_is_set(self, world: StoreWorld) -> None:
        with world.stores.open(LAKESIDE.practice_id) as store:
            assert store.hold_time() is None
        assert world.reads.clock().now is None
        with world.stores.open_for_operator() as store:
            assert store.lock_clock() is None
            assert store.real_time().tzinfo is not None

    def test_the_clock_shows_the_time_that_was_set_last(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        later = NOON + timedelta(days=1)
        with stores.open_for_operator() as store:
            assert store.lock_clock() == NOON
            store.save_clock(later)
        with stores.open(LAKESIDE.practice_id) as store:
            assert store.hold_time() == later
        assert world.reads.clock() == (later, None)

    def test_a_practice_is_stored_once_as_it_was_saved_last(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        renamed = LAKESIDE._replace(name="Clinic", region="CN", discreet_name="The Lake")
        with stores.open_for_operator() as store:
            assert store.lock_practice(LAKESIDE.practice_id) == LAKESIDE
            store.save_practice(renamed)
            assert store.practices({LAKESIDE.practice_id, "nowhere"}) == {"lakeside": renamed}
            assert store.lock_practice("nowhere") is None
        assert world.reads.practices(None, None, 10) == [HARBOUR, renamed]

    def test_practices_come_in_pages_by_id(self, world: StoreWorld, stores: Stores) -> None:
        reads = world.reads
        assert reads.practices(None, None, 1) == [HARBOUR]
        assert reads.practices(None, "harbour", 1) == [LAKESIDE]
        assert reads.practices(None, "lakeside", 1) == []

    def test_a_practice_sees_itself_only(self, world: StoreWorld, stores: Stores) -> None:
        with stores.open(HARBOUR.practice_id) as store:
            both = {LAKESIDE.practice_id, HARBOUR.practice_id}
            assert store.practices(both) == {"harbour": HARBOUR}
        assert world.reads.practices(HARBOUR.practice_id, None, 10) == [HARBOUR]

    def test_a_worker_sees_every_practice(self, world: StoreWorld, stores: Stores) -> None:
        with world.worker() as store:
            both = {LAKESIDE.practice_id, HARBOUR.practice_id}
            assert store.practices(both) == {"harbour": HARBOUR, "lakeside": LAKESIDE}

    def test_a_client_is_created_once_for_each_identity(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        elsewhere = WANG_FANG._replace(namespace="till")
        with stores.open(LAKESIDE.practice_id) as store:
            created = store.lock_clients({WANG_FANG, elsewhere}, NOON)
        with stores.open(LAKESIDE.practice_id) as store:
            found = store.lock_clients({WANG_FANG, LI_NA}, NOON)
        ids = {
            created[WANG_FANG].client_id,
            created[elsewhere].client_id,
            found[LI_NA].client_id,
        }
        assert len(ids) == 3
        assert found[WANG_FANG] == created[WANG_FANG]._replace(is_new=False)
        assert created[WANG_FANG][1:] == (1, 0, False, True, LAKESIDE.zone)
        assert (found[LI_NA].is_new, found[LI_NA].last_sequence) == (True, 0)
        nobody = WANG_FANG._replace(external_id="nobody")
        known = world.reads.client_ids(LAKESIDE.practice_id, {WANG_FANG, elsewhere, nobody})
        assert known == {key: client.client_id for key, client in created.items()}

    def test_an_object_is_created_once_with_its_first_owner(self, stores: Stores) -> None:
        booking, payment = fact("created", "e1").object_key, fact("settled", "e2").object_key
        with stores.open(LAKESIDE.practice_id) as store:
            created = store.lock_objects({booking: WANG_FANG, payment: LI_NA})
        assert {key: stored[1:] for key, stored in created.items()} == {
            booking: (WANG_FANG, True, Standing()),
            payment: (LI_NA, True, Standing()),
        }
        elsewhere = booking._replace(source="till")
        with stores.open(LAKESIDE.practice_id) as store:
            found = store.lock_objects({booking: LI_NA, elsewhere: LI_NA})
        assert found[booking] == created[booking]._replace(is_new=False)
        assert found[elsewhere].is_new
        ids = {each.object_id for each in (*created.values(), found[elsewhere])}
        assert [len(object_id) for object_id in ids] == [32, 32, 32]

    def test_an_object_that_is_forgotten_is_new_again(self, stores: Stores) -> None:
        booking = fact("created", "e1").object_key
        with stores.open(LAKESIDE.practice_id) as store:
            store.lock_objects({booking: WANG_FANG})
            store.forget_objects({booking})
        with stores.open(LAKESIDE.practice_id) as store:
            assert store.lock_objects({booking: LI_NA})[booking][1:] == (LI_NA, True, Standing())

    def test_an_object_that_is_known_to_another_client_stays_theirs(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        theirs, foreign = fact("created", "e1"), fact("completed", "e2", external_id="li-na")
        for batch, reason in (([theirs], None), ([foreign, foreign], "other-client")):
            with stores.open(LAKESIDE.practice_id) as store:
                assert {result.reason for result in accept(batch, store)} == {reason}
        assert world.reads.client_ids(LAKESIDE.practice_id, {LI_NA}) == {}
        assert [activity.kind for activity in world.published()] == ["booked"]

    def test_an_object_that_only_a_refused_event_names_is_free(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        first = fact("created", "e1")
        conflict = first._replace(external_object_id="s2", external_id="li-na")
        rightful = fact("created", "e2", external_object_id="s2")
        for batch in ([first], [conflict, rightful]):
            with stores.open(LAKESIDE.practice_id) as store:
                last = accept(batch, store)
        assert [result.reason for result in last] == ["conflicting-duplicate", None]
        with stores.open(LAKESIDE.practice_id) as store:
            accept([conflict._replace(external_object_id="s3")], store)
            again = fact("created", "e3", external_object_id="s3", external_id="li-na")
            assert [result.status for result in accept([again], store)] == ["accepted"]
        assert len(world.published()) == 3

    def test_sequences_are_saved_by_client(self, stores: Stores) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            clients = store.lock_clients({WANG_FANG, LI_NA}, NOON)
            store.save_sequences(
                {
                    (LAKESIDE.practice_id, clients[WANG_FANG].client_id): 3,
                    (LAKESIDE.practice_id, clients[LI_NA].client_id): 7,
                }
            )
        with stores.open(LAKESIDE.practice_id) as store:
            found = store.lock_clients({WANG_FANG, LI_NA}, NOON)
        assert (found[WANG_FANG].last_sequence, found[LI_NA].last_sequence) == (3, 7)

    def test_a_registration_is_stored_with_its_sequence_time_and_day(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            client_id = store.lock_clients({WANG_FANG}, NOON)[WANG_FANG].client_id
            registration = registered(owner_of(client_id), 4, NOON, date(2024, 5, 30))
            store.mark_registered(registration)
        with stores.open(LAKESIDE.practice_id) as store:
            found = store.lock_clients({WANG_FANG}, NOON)[WANG_FANG]
        assert (found.is_registered, found.last_sequence) == (True, 4)
        reads, practice_id = world.reads, LAKESIDE.practice_id
        assert reads.activities(practice_id, client_id, 0, 10) == [registration]
        assert reads.activities(practice_id, client_id, 4, 10) == []

    def test_clients_are_read_by_id_with_what_is_known_of_them(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        later = NOON + timedelta(hours=1)
        with stores.open(LAKESIDE.practice_id) as store:
            first = store.lock_clients({WANG_FANG}, NOON)[WANG_FANG].client_id
            second = store.lock_clients({LI_NA}, later)[LI_NA].client_id
            store.mark_registered(registered(owner_of(second), 1, later))
        known = {
            first: KnownClient(first, NOON, is_registered=False, identities=[WANG_FANG]),
            second: KnownClient(second, later, is_registered=True, identities=[LI_NA]),
        }
        reads, practice_id = world.reads, LAKESIDE.practice_id
        assert reads.clients(practice_id, [first, second, ClientId("nobody")]) == known
        low, high = sorted(known)
        assert reads.list_clients(practice_id, "", 10) == [known[low], known[high]]
        assert reads.list_clients(practice_id, "", 1) == [known[low]]
        assert reads.list_clients(practice_id, low, 10) == [known[high]]
        assert reads.list_clients(practice_id, high, 10) == []

    def test_a_practice_reads_its_own_clients_alone(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            client_id = store.lock_clients({WANG_FANG}, NOON)[WANG_FANG].client_id
        namesake = WANG_FANG._replace(practice_id=HARBOUR.practice_id)
        reads = world.reads
        assert reads.clients(HARBOUR.practice_id, [client_id]) == {}
        assert reads.client_ids(HARBOUR.practice_id, [namesake]) == {}
        assert reads.list_clients(HARBOUR.practice_id, "", 10) == []

    def test_the_ledger_gives_back_the_hashes_of_what_it_holds(self, stores: Stores) -> None:
        first, second = fact("settled", "e1"), fact("completed", "e2")
        other_source = second._replace(source="till")
        with stores.open(LAKESIDE.practice_id) as store:
            append(store, (first, ()), (second, ()))
        with stores.open(LAKESIDE.practice_id) as store:
            found = store.hashes([each.event_key for each in (first, second, other_source)])
        assert found == {each.event_key: each.content_hash for each in (first, second)}

    def test_the_ledger_keeps_facts_whole_and_in_the_order_of_acceptance(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        created = fact("created", "e1", occurred_at=NOON, attributes=CODES, backfill=True)
        said = Details("s0", None, "counsellor", NOON, None)
        cancelled = fact("cancelled", "e2", details=said)
        settled = fact("settled", "e3", source="till", external_id="li-na")
        other = fact("created", "e0", external_object_id="s2")
        with stores.open(LAKESIDE.practice_id) as store:
            append(store, (created, ()), (settled, ()), (other, ()))
            append(store, (cancelled, ()))
        assert world.facts() == [created, settled, other, cancelled]

    def test_an_object_stands_where_it_was_saved_last_and_no_other_does(
        self, stores: Stores
    ) -> None:
        booking, payment = fact("created", "e1").object_key, fact("settled", "e2").object_key
        other = booking._replace(external_id="s2")
        for standing in (BOOKED, BOOKED._replace(effect=())):
            with stores.open(LAKESIDE.practice_id) as store:
                store.lock_objects(dict.fromkeys((booking, payment, other), WANG_FANG))
                store.save_standings({booking: standing, payment: PAID})
            with stores.open(LAKESIDE.practice_id) as store:
                found = store.lock_objects(dict.fromkeys((booking, payment, other), WANG_FANG))
            assert {key: stored.standing for key, stored in found.items()} == {
                booking: standing,
                payment: PAID,
                other: Standing(),
            }

    def test_activities_come_in_pages_as_they_were_published(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        """Whatever would be computed of these facts today."""
        booked = delta("e1", 0, "booked", starts_at=NOON, attributes=CODES)
        gone = booked._replace(number=-1, refers_to=booked.activity_id)
        moved = [
            gone._replace(activity_id=delta("e2", 0, "booked").activity_id),
            delta("e2", 1, "completed", on=date(1999, 12, 31), amount_minor=-7),
            delta("e2", 2, "no_show", number=0),
        ]
        with stores.open(LAKESIDE.practice_id) as store:
            told = append(
                store,
                (fact("created", "e1"), [booked]),
                (fact("cancelled", "e3", external_object_id="s2"), ()),
                (fact("completed", "e2", backfill=True), moved),
                (fact("cancelled", "e4", external_object_id="s3"), ()),
                (fact("settled", "e5"), [delta("e5", 0, "settled", amount_minor=5000)]),
            )
        reads, practice_id, client_id = world.reads, LAKESIDE.practice_id, told[0].owner.client_id
        assert [activity.sequence for activity in told] == [1, 2, 3, 4, 5]
        for after in range(6):
            for limit in (1, 2, 3, 9):
                page = reads.activities(practice_id, client_id, after, limit)
                assert page == told[after : after + limit]
        assert reads.activities(HARBOUR.practice_id, client_id, 0, 9) is None
        assert reads.activities(practice_id, ClientId("nobody"), 0, 9) is None

    def test_sources_are_counted_by_practice(self, world: StoreWorld, stores: Stores) -> None:
        late = NOON - timedelta(hours=1)
        facts = [
            fact("created", "e1"),
            fact("completed", "e2", occurred_at=late),
            fact("settled", "e1", source="bank"),
        ]
        with world.worker() as store:
            accept([*facts, fact("completed", "e9", practice_id=HARBOUR.practice_id)], store)
        assert world.reads.sources(LAKESIDE.practice_id) == [
            SourceProgress("bank", 1, NOON - timedelta(days=1), NOON),
            SourceProgress("desk", 2, late, NOON),
        ]

    def test_an_exception_undoes_everything(self, world: StoreWorld, stores: Stores) -> None:
        def send_and_fail() -> None:
            with stores.open(LAKESIDE.practice_id) as store:
                register_client(WANG_FANG, store)
                accept([fact("settled", "e1")], store)
                raise ZeroDivisionError

        def change_and_fail() -> None:
            with stores.open_for_operator() as store:
                register_practice(LAKESIDE._replace(name="Other"), store)
                advance_clock(NOON + timedelta(days=1), store)
                raise ZeroDivisionError

        announced = world.announced()
        for failing in (send_and_fail, change_and_fail):
            with pytest.raises(ZeroDivisionError):
                failing()
        assert world.published() == []
        assert world.announced() == announced == 2
        assert world.reads.list_clients(LAKESIDE.practice_id, "", 10) == []
        assert world.reads.sources(LAKESIDE.practice_id) == []
        assert world.reads.practices(LAKESIDE.practice_id, None, 10) == [LAKESIDE]
        assert world.reads.clock().now == NOON

    def test_the_ledger_gives_every_published_activity_again(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            client_id = register_client(WANG_FANG, store).client_id
        for batch in (
            [fact("refunded", "e1", amount_minor=2000), fact("created", "e2", attributes=CODES)],
            [fact("settled", "e3", backfill=True), fact("cancelled", "e4", occurred_at=NOON)],
            [
                fact("settled", "e5", external_object_id="s2"),
                fact("failed", "e6", occurred_at=NOON),
            ],
        ):
            with stores.open(LAKESIDE.practice_id) as store:
                assert {result.status for result in accept(batch, store)} == {"accepted"}
        later = NOON + timedelta(hours=1)
        gone = Details(cancelled_by="client", cancelled_at=NOON)
        for each in (
            fact("created", "e7", external_object_id="s3"),
            fact("created", "e8", external_object_id="s4", occurred_at=NOON),
            fact("created", "e9", external_object_id="s4", details=Details(replaces="s3")),
            fact("cancelled", "e10", external_object_id="s4", occurred_at=later, details=gone),
        ):
            with stores.open(LAKESIDE.practice_id) as store:
                assert {result.status for result in accept([each], store)} == {"accepted"}
        published = world.published()
        again = world.reads.activities(LAKESIDE.practice_id, client_id, 0, 100)
        assert again is not None
        assert [Published.of(activity) for activity in again] == published
        assert [activity.sequence for activity in published] == list(range(1, 14))
        assert (published[-1].kind, published[-1].cancelled_by) == ("cancelled", "client")
