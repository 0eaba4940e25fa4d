"""What each adapter of outreach's reads of personal data must do."""

import pytest

from outreach_service.ports.reads import Caller, DayOfReads, PersonalData, ReadKey
from outreach_service.ports.store import Stores
from tests.support.memory.harbour import ADA, PRACTICE, StoreAdapter
from tests.support.memory.keys_suite import MADE

TILL, DESK = Caller(PRACTICE, MADE["id"]), Caller(PRACTICE, "desk")
TEXT, PREFERENCES = PersonalData.MESSAGE_TEXT, PersonalData.PREFERENCES


def read(stores: Stores, caller: Caller, what: PersonalData, client: str = ADA) -> None:
    with stores.open(caller.practice_id) as store:
        store.reads.record(caller, client, what)


def listed(
    stores: Stores, client: str = ADA, after: ReadKey | None = None, limit: int = 10
) -> list[DayOfReads]:
    with stores.open(PRACTICE) as store:
        return store.reads.page(PRACTICE, client, after, limit)


class ReadsSuite:
    """`PersonalReads`: what was read of a client, for its own practice alone."""

    @pytest.fixture
    def stores(self, adapter: StoreAdapter) -> Stores:
        """The API's."""
        return adapter.api_stores

    def test_two_reads_on_one_day_are_one_row(self, stores: Stores) -> None:
        for _ in range(2):
            read(stores, TILL, TEXT)
        (row,) = listed(stores)
        assert (row.key.key_id, row.key.what, row.count) == (TILL.key_id, "message-text", 2)
        assert row.first_at.date() == row.key.day
        assert row.first_at <= row.last_at

    def test_each_key_client_and_kind_has_a_row(self, stores: Stores) -> None:
        for caller in (TILL, DESK):
            for what in (PREFERENCES, TEXT):
                read(stores, caller, what)
        read(stores, TILL, TEXT, "ben")
        assert [each.key[1:] for each in listed(stores)] == [
            (TILL.key_id, "message-text"),
            (TILL.key_id, "preferences"),
            ("desk", "message-text"),
            ("desk", "preferences"),
        ]
        assert [each.count for each in listed(stores, "ben")] == [1]

    def test_pages_go_on_after_a_row(self, stores: Stores) -> None:
        for caller in (TILL, DESK):
            read(stores, caller, TEXT)
        (first,) = listed(stores, limit=1)
        (second,) = listed(stores, after=first.key)
        assert (first.key.key_id, second.key.key_id) == (TILL.key_id, "desk")
        assert listed(stores, after=second.key) == []

    def test_a_key_has_its_label_where_it_is_known(
        self, stores: Stores, adapter: StoreAdapter
    ) -> None:
        with adapter.stores.open() as store:
            store.inputs.save_key(MADE)
        for caller in (TILL, DESK):
            read(stores, caller, TEXT)
        assert [each.key_label for each in listed(stores)] == ["till", None]

    def test_another_practice_sees_none(self, stores: Stores) -> None:
        read(stores, TILL, TEXT)
        with stores.open("lakeside") as store:
            assert store.reads.page(PRACTICE, ADA, None, 10) == []
