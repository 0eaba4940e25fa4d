"""A signal of care that has not come may have noted a risk: till it comes messages wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.domain.care import Flag, FlagKind, FlagState, Guards, guards_of
from outreach_service.domain.care_gaps import GAP, Numbered, gap_flag, last_missing, with_signals
from outreach_service.domain.gates import Send, gate
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.lifting import lift
from tests.support.generators.outreach_values import a_context, a_play
from tests.unit.outreach_service.memory_outreach import ADA, HOUR, NOON, PRACTICE
from tests.unit.outreach_service.test_care import CONSENT, Hearing, care

WAITS = ("deferred", "inputs-lag")
GOES = ("sending", None)
CLIENT = (PRACTICE, ADA)


@pytest.fixture
def hearing() -> Hearing:
    return Hearing()


def flag_of(hearing: Hearing) -> Flag | None:
    return hearing.outreach.rows.flags.get((*CLIENT, GAP))


@pytest.mark.parametrize("kind", ["mood_reported", "complaint_closed", "risk_cleared"])
def test_messages_wait_while_a_signal_is_missing(hearing: Hearing, kind: str) -> None:
    hearing.hear(care("mood_reported", 1))
    hearing.hear(care(kind, 3))
    flag = flag_of(hearing)
    assert flag is not None
    assert (flag.state, flag.sequence) == (FlagState.OPEN, 2)
    if kind != "risk_cleared":  # that one is a flag of its own
        assert hearing.decide() == WAITS


def test_they_go_once_it_has_come(hearing: Hearing) -> None:
    hearing.hear(care("mood_reported", 2), care("mood_reported", 3))
    hearing.hear(care("mood_reported", 1))
    assert hearing.decide() == GOES


def test_what_was_missing_stops_them_when_it_is_a_risk(hearing: Hearing) -> None:
    hearing.hear(care("mood_reported", 1), care("mood_reported", 3))
    hearing.hear(care("risk_noted", 2, NOON + HOUR))
    assert hearing.decide() == ("suppressed", "guard")


def test_nobody_waits_where_all_has_come_however_often(hearing: Hearing) -> None:
    hearing.hear(care("mood_reported", 1), care("mood_reported", 2), care("mood_reported", 1))
    hearing.hear(care("complaint_closed", 3))
    assert flag_of(hearing) is None
    assert hearing.decide() == GOES


def test_a_signal_that_became_a_dead_letter_is_missing(hearing: Hearing) -> None:
    batch = hearing.hear(
        care("consent_given", 1, attributes={**CONSENT, "channel": 7}), care("mood_reported", 2)
    )
    assert len(batch.letters) == 1
    assert hearing.decide() == WAITS


def test_a_gap_is_counted_once(hearing: Hearing) -> None:
    counted = [
        sum(
            number
            for (_, what), number in hearing.hear(care("mood_reported", each)).passed_over.items()
            if what == "missing"
        )
        for each in (1, 4, 5, 2)
    ]
    assert counted == [0, 1, 0, 0]


def test_service_messages_go_on() -> None:
    asks_nothing = {"upcoming_booking": False, "newer_activity": False}
    play = a_play(purpose="service", unless=asks_nothing)
    consents = frozenset({(Channel.SMS, Purpose.SERVICE)})
    context = a_context(guards=Guards(missing=True), play=play, consents=consents)
    assert isinstance(gate(context), Send)


def test_a_person_lifts_it_until_another_is_missing(hearing: Hearing) -> None:
    hearing.hear(care("mood_reported", 2))
    with hearing.outreach.stores.open() as store:
        lift(store, store.care.of_client(*CLIENT), GAP)
    hearing.hear(care("mood_reported", 3))
    assert flag_of(hearing).state is FlagState.LIFTED  # type: ignore[union-attr]
    hearing.hear(care("mood_reported", 5))
    assert flag_of(hearing).state is FlagState.OPEN  # type: ignore[union-attr]


@given(st.permutations(range(1, 8)), st.integers(1, 7))
def test_a_gap_is_seen_while_a_lower_number_is_missing(order: list[int], kept: int) -> None:
    known: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {}
    flag: Flag | None = None
    for number in order[:kept]:
        known |= with_signals(known, [Numbered(CLIENT, number, NOON)])
        flag = gap_flag(CLIENT, known[CLIENT], flag, NOON)
    lower = set(range(1, max(order[:kept]))) - set(order[:kept])
    assert last_missing(known[CLIENT]) == max(lower, default=0)
    assert flag is not None
    assert flag.kind is FlagKind.GAP
    assert guards_of([(flag.kind, flag.state)]) == Guards(missing=bool(lower))
