"""What settles and what was said, as each adapter of outreach's stores must keep it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from outreach_service.documents.playbooks import read_known_playbook
from outreach_service.domain.messages import State
from outreach_service.domain.rules import DEFAULT_RULES
from outreach_service.domain.settling import HeardChange, Window
from outreach_service.domain.terms import Direction, Purpose, Reason, Standing
from outreach_service.handlers.dispatch import Look, dispatch_due, lease_permits
from outreach_service.handlers.planning import Plays, hear_changes, settle_ended
from outreach_service.ports.records import Saying
from outreach_service.ports.settling import WindowKey
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.open_cipher import OpenCipher
from tests.support.generators.outreach_values import a_change, a_play_document
from tests.support.memory.harbour import (
    ADA,
    DAY,
    HOUR,
    NOON,
    PHONE,
    PRACTICE,
    Harbour,
    StoreAdapter,
    a_message,
)

CHECK_IN = Saying(PRACTICE, ADA, "check-in")


def a_window(
    ends_at: datetime = NOON, client: str = ADA, length: timedelta = HOUR, tier: str = "bronze"
) -> Window:
    change = a_change(practice_id=PRACTICE, client_id=client, to_tier=tier, from_rank=3, to_rank=2)
    return Window(length, ends_at, change, 3)


def opened(harbour: Harbour, *windows: Window) -> None:
    with harbour.stores.open() as store:
        store.settling.save_windows(windows)


def open_of(harbour: Harbour, client: str = ADA) -> Mapping[timedelta, Window]:
    key = (PRACTICE, client)
    with harbour.stores.open() as store:
        return store.settling.lock_windows([key]).get(key, {})


def taken(harbour: Harbour, most: int = 10) -> list[Window]:
    with harbour.stores.open() as store:
        return store.settling.take_ended(most)


class SettlingSuite:
    """`Settling`, `Queue.lock_unbegun`, and what gates know by them."""

    @pytest.fixture
    def harbour(self, adapter: StoreAdapter) -> Harbour:
        return Harbour(adapter)

    def test_a_window_is_kept_as_it_was_saved_last(self, harbour: Harbour) -> None:
        first, longer = a_window(), a_window(length=2 * HOUR)
        opened(harbour, first, longer, a_window(client="ben"))
        assert open_of(harbour) == {HOUR: first, 2 * HOUR: longer}
        later = a_window(NOON + HOUR, tier="iron")
        opened(harbour, later)
        assert open_of(harbour) == {HOUR: later, 2 * HOUR: longer}
        assert open_of(harbour, "eve") == {}

    def test_a_window_that_is_closed_is_not_open(self, harbour: Harbour) -> None:
        opened(harbour, a_window(), a_window(client="ben"))
        for _ in range(2):
            with harbour.stores.open() as store:
                store.settling.close_windows([WindowKey(PRACTICE, ADA, HOUR)])
        assert (open_of(harbour), list(open_of(harbour, "ben"))) == ({}, [HOUR])

    def test_windows_are_taken_once_when_all_before_their_end_has_been_read(
        self, harbour: Harbour
    ) -> None:
        over, at_its_end = a_window(NOON - HOUR, client="ben"), a_window(NOON)
        coming = a_window(NOON + HOUR, client="eve")
        opened(harbour, coming, at_its_end, over)
        assert taken(harbour, 1) == [over]
        assert taken(harbour) == [at_its_end]
        assert taken(harbour) == []
        harbour.adapter.read_up_to(NOON + HOUR)
        assert taken(harbour) == [coming]

    def test_where_a_client_stands_is_kept_beside_their_activity(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        assert harbour.situation().standing is None
        stands = Standing("rfm", "bronze", NOON - HOUR, 3)
        for standing in (Standing("rfm", "gold", NOON - DAY, 2), stands):
            with harbour.stores.open() as store:
                store.settling.save_standings({(PRACTICE, ADA): standing})
        situation = harbour.situation()
        assert (situation.standing, situation.activity_at) == (stands, None)
        with harbour.stores.open() as store:
            found = store.settling.standings([(PRACTICE, ADA), (PRACTICE, "ben")])
        assert found == {(PRACTICE, ADA): stands}
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            assert store.clients.is_known(PRACTICE, ADA)

    def test_messages_of_occasions_that_have_begun_are_not_among_the_unbegun(
        self, harbour: Harbour
    ) -> None:
        begun, waiting, elsewhere = a_message(1), a_message(2), a_message(3, client="ben")
        next_step = begun._replace(message_id="a" * 32, step=1)
        harbour.add(begun, next_step, waiting, elsewhere)
        harbour.apply(harbour.claim(begun), State.ACCEPTED)
        with harbour.stores.open() as store:
            found = store.queue.lock_unbegun([CHECK_IN, CHECK_IN._replace(play="another")])
        assert [each.message_id for each in found] == [waiting.message_id]
        assert found[0].change == waiting.change

    def test_what_was_sent_says_by_which_text(self, harbour: Harbour) -> None:
        harbour.adapter.put_contact(PHONE, "phone-1")
        sent, due = a_message(1), a_message(2)
        harbour.add(sent, due)
        harbour.apply(harbour.claim(sent), State.ACCEPTED)
        assert [each.template for each in harbour.situation().sent] == ["check-in"]

    def test_the_same_text_is_not_sent_twice_within_thirty_days(self, harbour: Harbour) -> None:
        """From tier changes to claims."""
        harbour.adapter.put_contact(PHONE, "phone-1")
        harbour.adapter.put_consent(PHONE, Purpose.CARE, granted=True)
        went = [self._fall(harbour, version, NOON + days * DAY) for version, days in _DAYS]
        assert went == [1, 0, 0, 1]

    def _fall(self, harbour: Harbour, version: int, at: datetime) -> int:
        """Ada falls to bronze by time, and what settles is sent; how many messages go."""
        plays = Plays(
            read_known_playbook,
            {"key": "ours", "plays": [a_play_document(settles_after="PT2H")]},
        )
        change = a_change(
            practice_id=PRACTICE,
            client_id=ADA,
            version=version,
            direction=Direction.DOWNGRADED,
            reason=Reason.ELAPSED_TIME,
            effective_at=at,
        )
        rules = replace(DEFAULT_RULES, caps=())
        with harbour.stores.open() as store:
            hear_changes(store, plays, [HeardChange(change, 3, None)])
        harbour.adapter.read_up_to(at + 2 * HOUR)
        with harbour.stores.open() as store:
            assert settle_ended(store, plays, 10) == 1
        with harbour.stores.open() as store:
            permits = lease_permits(store, 10)
        assert permits is not None
        with harbour.stores.open() as store:
            options = dispatch_options(rules=rules)
            return len(dispatch_due(store, OpenCipher(), options, Look(10, permits)).claimed)


_DAYS = ((1, 0), (2, 1), (3, 29), (4, 30))
"""Versions of Ada's changes, and on which day each is."""
