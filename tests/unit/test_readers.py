"""The readers of the activities: they hold whatever intake accepts, and pass over new words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import outreach_service.translate
import scoring_service.translate
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from rapport_contracts.codec import decode
from rapport_contracts.ranges import EARLIEST_HAPPENED, LATEST
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_contracts.words import ACTIVITY_KINDS
from scoring_service.api.fast.tier_route import tier_json
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import KNOWN_KINDS
from scoring_service.handlers import TierAssessor
from tests.support.generators.source_documents import CURRENCIES, ZONES, documents, instants
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.house import MemoryHouse
from tests.support.memory.scoring import MemoryTiers

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
COLUMNS = ("completed", "no_show", "settled", "refunded")


@settings(max_examples=40)
@given(data=st.data(), zone=ZONES, currency=CURRENCIES, now=instants(EARLIEST_HAPPENED, LATEST))
def test_whatever_intake_accepts_scoring_and_outreach_fold(
    data: st.DataObject, zone: str, currency: str, now: datetime
) -> None:
    """One range for each value: no reader refuses what another service has accepted."""
    house = MemoryHouse(Practice(PracticeId("lakeside"), "Lakeside", zone, currency), now)
    house.accept(data.draw(st.lists(documents(currency, now), min_size=1, max_size=5)))
    activities = house.activities()
    house.read(activities)
    assert house.letters == []
    assert house.passed_over == {}
    sequences: dict[str, int] = {}
    for record in activities:
        event: Any = decode(record.topic, record.key, record.value)
        sequences[event.data.client_id] = event.data.sequence
    states = house.scoring.rows.clients
    assert {key.client_id: state.last_sequence for key, state in states.items()} == sequences
    assert all(state.missing == () for state in states.values())


def source_event(number: int, verb: str, **data: Any) -> dict[str, Any]:
    """One event of Ada's, an hour after the one before."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "desk",
        "type": f"rapport.{verb}.v1",
        "practiceid": "lakeside",
        "subject": "ada",
        "time": (NOW - timedelta(hours=100 - number)).isoformat(),
        "data": data,
    }


def story() -> list[dict[str, Any]]:
    """Events that make each kind of activity at least once, and corrections of some."""
    start = {"starts_at": NOW.isoformat()}
    money = {"currency": "CNY", "amount_minor": 30_000}
    return [
        source_event(1, "booking.created", booking_id="b1", **start),
        source_event(2, "booking.completed", booking_id="b1"),
        source_event(3, "payment.settled", payment_id="p1", **money),
        source_event(4, "booking.created", booking_id="b2", **start),
        source_event(5, "booking.no_show", booking_id="b2"),
        source_event(6, "payment.refunded", payment_id="p1", **money | {"amount_minor": 5_000}),
        source_event(7, "booking.completed", booking_id="b3"),
        source_event(8, "booking.cancelled", booking_id="b3"),
        source_event(9, "booking.requested", booking_id="b4"),
        source_event(10, "booking.cancelled", booking_id="b4", cancelled_by="client"),
        *(
            source_event(number, f"signal.{kind}", **{"signal_id": signal_id, **said})
            for number, (kind, signal_id, said) in enumerate(SIGNALS, 11)
        ),
    ]


MONEY = {"currency": "CNY", "amount_minor": 30_000}
SIGNALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("consulted", "s1", {}),
    ("visited", "s2", {}),
    ("enquired", "s3", {}),
    ("referral_made", "s4", {}),
    ("referral_converted", "s4", {}),
    ("engaged", "s5", {"engagement": "reply"}),
    ("need_noted", "s6", {"clarity": "clear", **MONEY}),
    ("case_opened", "s7", {}),
    ("case_closed", "s7", {"outcome": "completed"}),
    ("arrears_opened", "s8", MONEY),
    ("arrears_cleared", "s8", {}),
    ("need_consent_given", "s9", {}),
    ("need_consent_withdrawn", "s9", {}),
    ("override_begun", "s10", {"tier": "gold", "reason": "goodwill"}),
    ("override_ended", "s10", {}),
    ("neutral_begun", "s11", {}),
    ("neutral_ended", "s11", {}),
)
"""Kind, signal, and what is said of it."""


def reading(without: str) -> MemoryHouse:
    """What readers have that do not know one kind of activity."""
    house = MemoryHouse(Practice(PracticeId("lakeside"), "Lakeside", "Asia/Shanghai", "CNY"), NOW)
    assert {result.status for result in house.accept(story())} == {"accepted"}
    scoring, outreach = scoring_service.translate, outreach_service.translate
    with (
        mock.patch.object(scoring, "KNOWN_KINDS", KNOWN_KINDS - {without}),
        mock.patch.object(outreach, "CLIENT_DID", outreach.CLIENT_DID - {without}),
        mock.patch.object(outreach, "NOT_BY_CLIENT", outreach.NOT_BY_CLIENT - {without}),
    ):
        house.read(house.activities())
    return house


def ada(house: MemoryHouse) -> ClientState:
    """Her state in scoring."""
    (state,) = house.scoring.rows.clients.values()
    return state


@pytest.mark.parametrize("kind", [kind for kind in ACTIVITY_KINDS if kind != "registered"])
def test_a_reader_with_a_smaller_vocabulary_reads_on_and_says_what_it_lacks(kind: str) -> None:
    """Today's writer, read by a version that did not know this kind yet."""
    full, smaller = ada(reading(without="")), reading(without=kind)
    state = ada(smaller)
    records = smaller.activities()
    events: list[Any] = [decode(one.topic, one.key, one.value) for one in records]
    unknown = [event.data.sequence for event in events if event.data.kind == kind]
    assert unknown
    assert smaller.letters == []
    # scoring and outreach count each of them
    assert smaller.passed_over == {(CLIENT_ACTIVITY.name, "kind"): 2 * len(unknown)}
    assert (state.last_sequence, state.missing) == (len(events), ())
    assert state.first_skipped_sequence == min(unknown)
    assert full.first_skipped_sequence is None
    for column in COLUMNS:
        nets = {} if column == kind else _nets(full, column)
        assert _nets(state, column) == nets


@pytest.mark.parametrize(("kind", "is_complete"), [("", True), ("no_show", False)])
def test_the_answers_of_a_client_say_whether_something_was_skipped(
    kind: str, *, is_complete: bool
) -> None:
    house = reading(without=kind)
    stored = MemoryTiers(house.scoring).of_clients("lakeside", [ada(house).client_id])
    answer = json.loads(tier_json(TierAssessor(lambda: [RULEBOOK]).tier(stored[0])))
    assert answer["inputs_complete"] == is_complete


def _nets(state: ClientState, column: str) -> dict[int, int]:
    values = zip(state.digest.days, getattr(state.digest, column), strict=True)
    return {day: net for day, net in values if net}
