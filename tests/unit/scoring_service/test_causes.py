"""The facts of one source event are folded together and assessed once (ADR 31)."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Fact, Skipped
from scoring_service.domain.periods import midnight
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change, close_cause, ends_cause, fold, skip
from scoring_service.store import open_causes
from tests.support.generators.tier_histories import RULEBOOK, Log, logs, replay
from tests.support.oracles.tiers import Rules

ZONE = "Asia/Shanghai"
DAY = date(2026, 3, 2)
START, END = midnight(DAY, ZONE), midnight(DAY + timedelta(days=1), ZONE)
AT = START + timedelta(hours=10)
A_MOMENT = timedelta(microseconds=1)


def part(sequence: int, kind: str, cause: str, *, last: bool = True, **more: object) -> Fact:
    """One fact of the source event `cause`, of today at ten unless `more` differs."""
    values: dict[str, object] = {
        "activity_id": f"act-{sequence}",
        "generation": 1,
        "on": DAY,
        "zone": ZONE,
        "count": 1,
        "amount_minor": 20_000 if kind in {"settled", "refunded"} else 0,
        "occurred_at": AT,
        "accepted_at": AT,
        "source": "desk",
        "cause_id": cause,
        "is_last_of_cause": last,
    }
    return Fact(sequence=sequence, kind=kind, **values | more)  # type: ignore[arg-type]  # by name


def arrive(state: ClientState, *facts: Fact) -> list[Change]:
    """The facts in their order; the changes that they made."""
    changes = []
    for fact in facts:
        found = [close_cause(state, RULEBOOK)] if ends_cause(state, fact) else []
        changes += [*found, fold(state, fact, RULEBOOK, DAY)]
    return [change for change in changes if change]


@pytest.fixture
def visited() -> ClientState:
    """A client who came today: bronze."""
    state = ClientState("harbour", "mirabel", 0, ZONE)
    (change,) = arrive(state, part(1, "completed", "visit"))
    assert change.to_tier == "bronze"
    return state


class TestOneCause:
    """Several facts of one source event."""

    def test_a_payment_whose_refund_came_before_lifts_nobody(self, visited: ClientState) -> None:
        paid = part(2, "settled", "paid", last=False)
        back = part(3, "refunded", "paid", refers_to="act-2")
        assert arrive(visited, paid, back) == []
        assert (visited.version, visited.digest.settled) == (1, [20_000])

    def test_a_visit_that_moves_to_another_day_moves_nobody(self, visited: ClientState) -> None:
        away = part(2, "completed", "again", last=False, count=-1, refers_to="act-1")
        back = part(3, "completed", "again", on=DAY - timedelta(days=1), refers_to="act-1")
        assert arrive(visited, away, back) == []
        assert visited.version == 1

    def test_facts_wait_outside_the_digest(self, visited: ClientState) -> None:
        before = visited.digest.to_bytes()
        arrive(visited, part(2, "settled", "paid", last=False))
        assert visited.open_cause is not None
        assert (visited.digest.to_bytes(), visited.last_sequence) == (before, 2)

    def test_what_is_left_of_a_payment_is_an_activity(self, visited: ClientState) -> None:
        paid = part(2, "settled", "paid", last=False)
        back = part(3, "refunded", "paid", refers_to="act-2", amount_minor=1_000)
        (change,) = arrive(visited, paid, back)
        assert (change.to_tier, change.reason, change.activity_id) == (
            "silver",
            "activity",
            "act-2",
        )

    def test_a_booking_that_becomes_a_visit_is_an_activity(self) -> None:
        state = ClientState("harbour", "mirabel", 0, ZONE)
        booked = part(1, "booked", "made")
        gone = part(2, "booked", "came", last=False, count=-1, refers_to="act-1")
        came = part(3, "completed", "came")
        _, change = arrive(state, booked, gone, came)
        assert (change.to_tier, change.reason, change.activity_id) == (
            "bronze",
            "activity",
            "act-3",
        )

    def test_a_visit_that_becomes_a_no_show_is_a_correction(self, visited: ClientState) -> None:
        gone = part(2, "completed", "missed", last=False, count=-1, refers_to="act-1")
        (change,) = arrive(visited, gone, part(3, "no_show", "missed"))
        assert (change.to_tier, change.reason, change.activity_id) == (
            "prospect",
            "correction",
            "act-2",
        )

    def test_a_client_whose_first_event_says_two_things_enters_once(self) -> None:
        state = ClientState("harbour", "mirabel", 0, ZONE)
        paid = part(1, "settled", "paid", last=False)
        (change,) = arrive(state, paid, part(2, "refunded", "paid", refers_to="act-1"))
        assert (change.version, change.from_tier, change.to_tier) == (1, None, "prospect")


class TestTheEndOfACause:
    """When the facts that are there are looked at, though more were announced."""

    def test_a_record_of_another_cause_ends_it(self, visited: ClientState) -> None:
        changes = arrive(
            visited,
            part(2, "settled", "paid", last=False),
            part(3, "refunded", "other", refers_to="act-0"),
        )
        assert [(c.to_tier, c.activity_id) for c in changes] == [
            ("gold", "act-2"),
            ("bronze", "act-3"),
        ]

    @pytest.mark.parametrize(
        ("record", "ends"),
        [
            pytest.param(Skipped(1, 3), True, id="an event of an unknown type"),
            pytest.param(
                Skipped(1, 3, None, "desk", "paid", is_last_of_cause=False), False, id="its own"
            ),
            pytest.param(part(3, "settled", "paid"), False, id="its own last"),
            pytest.param(part(3, "settled", "paid", source="till"), True, id="another source"),
            pytest.param(part(1, "completed", "visit"), False, id="a duplicate"),
        ],
    )
    def test_what_ends_it(self, visited: ClientState, record: Fact, *, ends: bool) -> None:
        assert not ends_cause(visited, record)
        arrive(visited, part(2, "settled", "paid", last=False))
        assert ends_cause(visited, record) is ends

    @pytest.mark.parametrize(("sequence", "tier"), [(3, "gold"), (1, "bronze")])
    def test_its_last_activity_may_be_of_an_unknown_kind(
        self, visited: ClientState, sequence: int, tier: str
    ) -> None:
        """One that is no duplicate."""
        arrive(visited, part(2, "settled", "paid", last=False))
        skip(visited, Skipped(1, sequence, None, "desk", "paid"), RULEBOOK)
        assert RULEBOOK.tiers[visited.tier or 0].key == tier

    def test_it_waits_for_a_version_that_knows_its_zone(self, visited: ClientState) -> None:
        arrive(visited, part(2, "settled", "paid", last=False))
        visited.zone = "Mars/Olympus_Mons"
        assert close_cause(visited, RULEBOOK) is None
        assert visited.open_cause is not None

    def test_nothing_is_closed_where_nothing_is_open(self, visited: ClientState) -> None:
        assert close_cause(visited, RULEBOOK) is None


class TestEffectiveAt:
    """When a change by activity takes effect."""

    @pytest.mark.parametrize(
        ("occurred_at", "accepted_at", "effective_at"),
        [
            pytest.param(AT, AT, AT, id="known at once"),
            pytest.param(AT, AT + A_MOMENT, AT, id="known later"),
            pytest.param(START - A_MOMENT, AT, START, id="of an earlier day"),
            pytest.param(AT + timedelta(hours=32), AT, AT, id="dated ahead"),
            pytest.param(END, END, END - A_MOMENT, id="accepted after the business day"),
        ],
    )
    def test_it_lies_within_the_business_day_and_not_after_acceptance(
        self, occurred_at: datetime, accepted_at: datetime, effective_at: datetime
    ) -> None:
        state = ClientState("harbour", "mirabel", 0, ZONE)
        when = {"occurred_at": occurred_at, "accepted_at": accepted_at}
        (change,) = arrive(state, part(1, "completed", "visit", **when))  # type: ignore[arg-type]  # by name
        assert (change.effective_at, change.happened_at) == (effective_at, occurred_at)

    @settings(max_examples=30)
    @given(logs(), st.lists(st.booleans(), min_size=1, max_size=7))
    def test_a_history_never_goes_back_nor_ahead_of_its_day(
        self, logged: tuple[Rules, Rulebook, str, Log], sweeps: list[bool]
    ) -> None:
        _, rulebook, zone, log = logged
        changes = replay(rulebook, zone, log, sweeps)
        assert all(then.effective_at <= now.effective_at for then, now in pairwise(changes))
        for change in changes:
            tomorrow = midnight(change.on_day + timedelta(days=1), zone)
            assert midnight(change.on_day, zone) <= change.effective_at < tomorrow


def test_an_open_cause_is_read_as_it_was_written() -> None:
    state = ClientState("harbour", "mirabel", 0, ZONE)
    odd = datetime(2026, 3, 2, 1, 2, 3, 456_789, tzinfo=UTC)
    arrive(
        state,
        part(1, "booked", "d\u00e9j\u00e0 \u2028 \"'", last=False, count=-(2**31), occurred_at=odd),
        part(2, "settled", "d\u00e9j\u00e0 \u2028 \"'", last=False, amount_minor=2**63 - 1),
    )
    assert state.open_cause is not None
    assert open_causes.read(open_causes.text(state.open_cause)) == state.open_cause
