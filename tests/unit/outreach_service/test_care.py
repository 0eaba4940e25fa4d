"""Signals of other systems: what they keep back, and consents that come by the bus."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.consumers import OutreachConsumer
from outreach_service.documents.playbooks import read_known_playbook
from outreach_service.domain.care import Flag, FlagKind, FlagState, Guards, follow, guards_of
from outreach_service.domain.gates import Send, Suppress, gate
from outreach_service.domain.terms import Channel, Purpose, Reason
from outreach_service.lifting import lift
from rapport_contracts import canonical, codec
from rapport_contracts.care_signals import CARE_KINDS, CareRecorded, CareSignal
from rapport_contracts.topics import CARE_SIGNALS, CLIENT_ACTIVITY
from rapport_runtime.bus.port import RecordParts, TopicPartition
from rapport_runtime.ops.operators import Refused
from rapport_runtime.stream.batch import Batch, PartitionBatch
from rapport_runtime.stream.positions import Position
from tests.support.generators.outreach_events import an_activity
from tests.support.generators.outreach_values import a_change, a_context, a_marketing_play, a_play
from tests.support.memory.outreach import MemoryStore
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    DAY,
    HOUR,
    NOON,
    PRACTICE,
    MemoryOutreach,
)

CONSENT = {"channel": "sms", "purpose": "care", "evidence": "form-1", "text_version": "1"}


def care(kind: str, sequence: int = 1, at: datetime = NOON, **changes: Any) -> CareRecorded:
    known: dict[str, Any] = {
        "client_id": ADA,
        "sequence": sequence,
        "kind": kind,
        "object_id": "o1",
        "occurred_at": at,
        "accepted_at": NOON,
        "source": "desk",
        "cause_id": f"e{sequence}",
    }
    return CareRecorded(
        id=f"c{sequence}",
        source="test",
        time=NOON,
        practiceid=PRACTICE,
        data=CareSignal(**known | changes),
    )


class Hearing:
    """A practice whose one play answers a fall by time, and its consumer."""

    def __init__(self) -> None:
        self.outreach = MemoryOutreach()
        self._consumer = OutreachConsumer(
            self.outreach.stores,
            read_known_playbook,
            self.outreach.document,
            lambda: None,
            lambda: None,
        )

    def hear(self, *events: CareRecorded | canonical.ActivityRecorded) -> Batch:
        """Handle events in one batch, those of each topic in their order."""
        parts = []
        for topic, kind in (
            (CARE_SIGNALS.name, CareRecorded),
            (CLIENT_ACTIVITY.name, canonical.ActivityRecorded),
        ):
            own = [codec.encode(each) for each in events if isinstance(each, kind)]
            records = [RecordParts(at, b"k", each, (), 0) for at, each in enumerate(own)]
            decoded = [self._consumer.decode(topic, b"k", each) for each in own]
            place = TopicPartition(topic, 3)
            parts.append(PartitionBatch(place, Position(0, "t"), records, decoded, len(own)))
        batch = Batch([part for part in parts if part.records])
        self._consumer.handle(None, batch)
        return batch

    def decide(self, **play: Any) -> tuple[str, str | None]:
        """What becomes of a message that answers Ada's fall."""
        self.outreach.reachable()
        self.outreach.fall(**play)
        self.outreach.dispatch()
        state, reason = self.outreach.state()
        return state, reason


@pytest.fixture
def hearing() -> Hearing:
    return Hearing()


STOPPED = ("suppressed", "guard")


def test_without_signals_the_message_goes(hearing: Hearing) -> None:
    assert hearing.decide() == ("sending", None)


@pytest.mark.parametrize(
    ("kinds", "is_stopped"),
    [
        pytest.param(("risk_noted",), True, id="a risk"),
        pytest.param(("risk_noted", "risk_cleared"), True, id="a cleared risk still holds"),
        pytest.param(("risk_noted", "withdrawn"), True, id="a withdrawn risk still holds"),
        pytest.param(("complaint_opened",), False, id="a complaint stops marketing alone"),
        pytest.param(("mood_reported",), False, id="a mood"),
    ],
)
def test_what_stops_a_message_of_care(
    hearing: Hearing, kinds: tuple[str, ...], *, is_stopped: bool
) -> None:
    for sequence, kind in enumerate(kinds, 1):
        hearing.hear(care(kind, sequence, NOON + sequence * HOUR))
    assert hearing.decide() == (STOPPED if is_stopped else ("sending", None))


@pytest.mark.parametrize("one", [Guards(complaint=True), Guards(risk=True)], ids=str)
def test_marketing_stops_and_service_goes_on(one: Guards) -> None:
    assert gate(a_context(guards=one, play=a_marketing_play())) == Suppress("guard")
    assert one.stops(Purpose.CARE) == one.risk
    assert not one.stops(Purpose.SERVICE)


def test_a_closed_complaint_stops_nothing(hearing: Hearing) -> None:
    hearing.hear(care("complaint_opened"), care("complaint_closed", 2, NOON + HOUR))
    ((flag),) = hearing.outreach.rows.flags.values()
    assert flag.state is FlagState.CLOSED
    assert guards_of([(flag.kind, flag.state)]) == Guards()


def test_a_person_lifts_a_risk_and_nothing_else(hearing: Hearing) -> None:
    hearing.hear(care("risk_noted"), care("complaint_opened", 2, object_id="o2"))
    with hearing.outreach.stores.open() as store:
        flags = store.care.of_client(PRACTICE, ADA)
        assert lift(store, flags, "o1").state is FlagState.LIFTED
        for unknown in ("o2", "o3"):
            with pytest.raises(Refused):
                lift(store, flags, unknown)
        with pytest.raises(Refused):
            lift(store, store.care.of_client(PRACTICE, ADA), "o1")
    assert hearing.decide() == ("sending", None)


def test_each_complaint_is_closed_by_itself(hearing: Hearing) -> None:
    hearing.hear(
        care("complaint_opened"),
        care("complaint_opened", 2, object_id="o2"),
        care("complaint_closed", 3, NOON + HOUR),
    )
    flags = hearing.outreach.rows.flags.values()
    assert guards_of((each.kind, each.state) for each in flags) == Guards(complaint=True)


def test_a_lifted_risk_comes_back_when_it_is_noted_again() -> None:
    lifted = Flag(PRACTICE, ADA, "o1", FlagKind.RISK, FlagState.LIFTED, NOON, 1)
    cleared = lifted._replace(state=FlagState.CLEARED, since=NOON + HOUR, sequence=2)
    noted = cleared._replace(state=FlagState.OPEN, since=NOON + DAY, sequence=3)
    assert follow(lifted, cleared).state is FlagState.LIFTED
    assert follow(follow(lifted, cleared), noted).state is FlagState.OPEN
    as_it_was = lifted._replace(state=FlagState.OPEN)
    assert follow(lifted, as_it_was).state is FlagState.LIFTED, "it was said twice, not again"


@given(st.permutations(range(4)), st.integers(0, 4), st.lists(st.integers(0, 3), max_size=4))
def test_the_same_holds_in_any_order_however_often(
    order: list[int], in_one_batch: int, again: list[int]
) -> None:
    words = [
        care("complaint_opened", 3, NOON),
        care("complaint_closed", 1, NOON + HOUR),
        care("complaint_opened", 4, NOON + HOUR),
        care("complaint_closed", 2, NOON + DAY),
    ]
    hearing = Hearing()
    hearing.hear(*(words[place] for place in order[:in_one_batch]))
    for place in [*order[in_one_batch:], *again]:
        hearing.hear(words[place])
    flag = hearing.outreach.rows.flags[PRACTICE, ADA, "o1"]
    assert (flag.state, flag.sequence) == (FlagState.CLOSED, 2)


def test_of_two_words_of_one_time_that_which_was_published_later_holds() -> None:
    closed = Flag(PRACTICE, ADA, "o1", FlagKind.COMPLAINT, FlagState.CLOSED, NOON, 2)
    opened = closed._replace(state=FlagState.OPEN, sequence=3)
    assert follow(closed, opened) == follow(opened, closed) == opened


def test_in_one_batch_the_later_by_the_sources_time_holds(hearing: Hearing) -> None:
    hearing.hear(care("complaint_opened", 1, NOON + HOUR), care("complaint_closed", 2, NOON))
    ((flag),) = hearing.outreach.rows.flags.values()
    assert flag.state is FlagState.OPEN


def test_what_is_withdrawn_in_the_batch_that_tells_of_it_stops_nothing(hearing: Hearing) -> None:
    hearing.hear(care("complaint_opened"), care("withdrawn", 2, NOON + HOUR))
    ((flag),) = hearing.outreach.rows.flags.values()
    assert flag.state is FlagState.CLOSED


def test_whoever_something_is_noted_of_is_locked_first(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no claim reads between what was known and what is saved."""
    locked: list[tuple[str, set[str]]] = []

    def lock(store: MemoryStore, practice_id: str, client_ids: Iterable[str]) -> None:
        assert store.care.of_client(PRACTICE, ADA) == []
        locked.append((practice_id, set(client_ids)))

    monkeypatch.setattr(MemoryStore, "lock_clients", lock)
    hearing.hear(care("risk_noted"))
    assert locked == [(PRACTICE, {ADA})]


def test_moods_surveys_and_what_nobody_knows_are_counted(hearing: Hearing) -> None:
    passed = [care(each) for each in ("mood_reported", "survey_answered", "dreamt")]
    batch = hearing.hear(*passed)
    assert batch.passed_over == {(CARE_SIGNALS.name, "kind"): 3}
    assert (hearing.outreach.rows.flags, batch.letters) == ({}, [])


@pytest.mark.parametrize("kind", CARE_KINDS)
def test_every_kind_of_today_is_heard(hearing: Hearing, kind: str) -> None:
    assert hearing.hear(care(kind, attributes=dict(CONSENT))).letters == []


def test_consent_by_the_bus_opens_and_withdrawal_closes(hearing: Hearing) -> None:
    hearing.outreach.reachable()
    hearing.outreach.consent(granted=False)
    given_at, withdrawn_at = NOON - HOUR, NOON - HOUR / 2
    consent = care("consent_given", 1, given_at, attributes=CONSENT)
    withdrawal = care("consent_withdrawn", 2, withdrawn_at, object_id="o2", attributes=CONSENT)

    def permits() -> bool:
        with hearing.outreach.stores.open() as store:
            found = store.clients.reachable([(PRACTICE, ADA)])
        return (Channel.SMS, Purpose.CARE) in found.get((PRACTICE, ADA), ())

    assert not permits()
    hearing.hear(consent)
    assert permits()
    hearing.hear(withdrawal)
    assert not permits()
    hearing.hear(consent)  # the same again, and it is older
    assert not permits()
    (stored, *_) = [
        each for each in hearing.outreach.rows.consents if each.statement.id == "desk/e1"
    ]
    assert (stored.recorded_by, stored.statement.stated_at) == ("care-signals", given_at)


@pytest.mark.parametrize("name", ["channel", "purpose", "evidence"])
def test_a_statement_that_cannot_be_read_is_a_dead_letter(hearing: Hearing, name: str) -> None:
    said = {key: value for key, value in CONSENT.items() if key != name}
    batch = hearing.hear(care("consent_given", attributes=said), care("risk_noted", 2))
    ((letter),) = batch.letters
    assert letter.error.field == f"/data/attributes/{name}"
    kinds = [flag.kind for flag in hearing.outreach.rows.flags.values()]
    assert kinds == [FlagKind.RISK, FlagKind.GAP]


def test_another_statement_under_a_known_id_is_a_dead_letter(hearing: Hearing) -> None:
    hearing.hear(care("consent_given", attributes=CONSENT))
    batch = hearing.hear(care("consent_withdrawn", 2, cause_id="e1", attributes=CONSENT))
    ((letter),) = batch.letters
    assert letter.error.reason == "conflicting-duplicate"


def case(kind: str, sequence: int, count: int = 1, **attributes: str) -> Any:
    return an_activity(
        f"a{sequence}",
        kind=kind,
        sequence=sequence,
        count=count,
        object_id="case-1",
        occurred_at=NOON - DAY + timedelta(minutes=sequence),
        attributes=attributes,
    )


OPENED, TAKEN_BACK = case("case_opened", 1), case("case_opened", 2, -1)
ENDED = case("case_closed", 3, outcome="completed")
BROKEN_OFF = case("case_closed", 3, outcome="stopped")
REOPENED = (case("case_closed", 4, -1, outcome="completed"), case("case_opened", 5))


@pytest.mark.parametrize(
    ("said", "is_ended"),
    [
        pytest.param((OPENED, TAKEN_BACK, ENDED), True, id="a completed case"),
        pytest.param((OPENED, TAKEN_BACK, BROKEN_OFF), False, id="one that was broken off"),
        pytest.param((OPENED,), False, id="one that goes on"),
        pytest.param((OPENED, TAKEN_BACK, ENDED, *REOPENED), False, id="one that goes on again"),
        pytest.param(
            (OPENED, TAKEN_BACK, ENDED, OPENED, TAKEN_BACK), True, id="said anew, not yet whole"
        ),
    ],
)
def test_who_has_completed_a_case_is_not_asked_to_come_back(
    hearing: Hearing, said: tuple[Any, ...], *, is_ended: bool
) -> None:
    hearing.hear(*said)
    assert hearing.decide() == (("suppressed", "care-ended") if is_ended else ("sending", None))


def test_what_is_no_fall_by_time_and_what_is_service_go_on_after_a_case() -> None:
    ended = Guards(care_ended=True)
    rise, fall = a_change(reason=Reason.ACTIVITY), a_change(reason=Reason.ELAPSED_TIME)
    care, service = a_play(), a_play(purpose="service", unless={})
    assert isinstance(gate(a_context(guards=ended, play=care, change=rise)), Send)
    assert isinstance(gate(a_context(guards=ended, play=service, change=fall)), Send)
    assert gate(a_context(guards=ended, play=care, change=fall)) == Suppress("care-ended")
