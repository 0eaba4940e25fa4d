"""What each adapter of outreach's stores must do with what other systems have noted (ADR 52)."""

import pytest

from outreach_service.domain.care import UNGUARDED, Flag, FlagKind, FlagState, Guards
from tests.support.memory.harbour import ADA, DAY, NOON, PRACTICE, Harbour, StoreAdapter, a_message

RISK = Flag(PRACTICE, ADA, "r1", FlagKind.RISK, FlagState.OPEN, NOON, 1)
COMPLAINT = RISK._replace(object_id="c1", kind=FlagKind.COMPLAINT, sequence=2)
CASE = RISK._replace(object_id="k1", kind=FlagKind.CASE, state=FlagState.ENDED, sequence=3)
OTHERS = RISK._replace(client_id="ben", object_id="r2")


class CareSuite:
    """`Store.care`, and what a claim reads of it."""

    @pytest.fixture
    def harbour(self, adapter: StoreAdapter) -> Harbour:
        harbour = Harbour(adapter)
        harbour.add(a_message())
        return harbour

    def save(self, harbour: Harbour, *flags: Flag) -> None:
        with harbour.stores.open() as store:
            store.care.save(flags)

    def test_flags_are_found_as_they_were_saved_last(self, harbour: Harbour) -> None:
        moved = RISK._replace(state=FlagState.CLEARED, since=NOON + DAY, sequence=9)
        self.save(harbour, RISK, OTHERS)
        self.save(harbour, COMPLAINT, moved)
        with harbour.stores.open() as store:
            found = store.care.find([RISK.key, COMPLAINT.key, CASE.key])
            theirs = store.care.of_client(PRACTICE, ADA)
        assert found == {RISK.key: moved, COMPLAINT.key: COMPLAINT}
        assert theirs == [COMPLAINT, moved]

    def test_a_claim_reads_those_of_its_client_that_hold(self, harbour: Harbour) -> None:
        self.save(harbour, OTHERS, RISK._replace(state=FlagState.LIFTED))
        assert harbour.situation().guards == UNGUARDED
        self.save(harbour, RISK)
        assert harbour.situation().guards == Guards(risk=True)
        self.save(harbour, RISK._replace(state=FlagState.CLEARED), COMPLAINT, CASE)
        every = Guards(complaint=True, risk=True, care_ended=True)
        assert harbour.situation().guards == every
        self.save(harbour, CASE._replace(object_id="k2", state=FlagState.OPEN))
        assert harbour.situation().guards == every._replace(care_ended=False)

    def test_which_signals_have_come_is_kept_as_it_was_saved_last(self, harbour: Harbour) -> None:
        ada, ben = (PRACTICE, ADA), (PRACTICE, "ben")
        with harbour.stores.open() as store:
            store.care.save_came({ada: ((1, 1),)})
            store.care.save_came({ada: ((1, 2), (4, 9)), ben: ((3, 3),)})
        with harbour.stores.open() as store:
            found = store.care.came([ada, ben, (PRACTICE, "cem")])
        assert found == {ada: ((1, 2), (4, 9)), ben: ((3, 3),)}

    def test_a_claim_reads_that_a_signal_is_missing(self, harbour: Harbour) -> None:
        gap = RISK._replace(object_id="gap", kind=FlagKind.GAP)
        self.save(harbour, gap)
        assert harbour.situation().guards == Guards(missing=True)
        self.save(harbour, gap._replace(state=FlagState.CLOSED))
        assert harbour.situation().guards == UNGUARDED
