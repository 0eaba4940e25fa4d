"""Events become values of the domain, and changes become events."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec import structs

from rapport_contracts import canonical, codec, topics
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import Watermark
from scoring_service import translate
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Fact, FactRefused, Opening, Skipped
from scoring_service.domain.walk import fold, review
from scoring_service.ports import TierTransition
from tests.support.generators.tier_histories import RULEBOOK

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACTIVITY = canonical.ActivityRecorded(
    id="a1",
    source="test",
    time=NOON,
    practiceid="harbour",
    data=canonical.Activity(
        client_id="ada",
        generation=1,
        sequence=1,
        kind="completed",
        on=date(2026, 3, 2),
        zone="Europe/London",
        count=1,
        occurred_at=NOON,
        accepted_at=NOON + timedelta(minutes=1),
        refers_to="a0",
        backfill=True,
    ),
    incarnation="0a1b2c3d",
)


def test_an_activity_is_a_fact() -> None:
    assert translate.numbered(ACTIVITY) == Fact(
        activity_id="a1",
        generation=1,
        sequence=1,
        kind="completed",
        on=date(2026, 3, 2),
        zone="Europe/London",
        count=1,
        amount_minor=0,
        occurred_at=NOON,
        accepted_at=NOON + timedelta(minutes=1),
        refers_to="a0",
        incarnation="0a1b2c3d",
        backfill=True,
    )


def test_a_watermark_decodes_to_its_instant_and_other_events_to_themselves() -> None:
    data = canonical.Watermark(up_to=NOON)
    event = canonical.WatermarkAdvanced(id="w", source="test", time=NOON, data=data)
    name = topics.CLIENT_ACTIVITY.name
    assert translate.decode(name, b"watermark", codec.encode(event)) == Watermark(NOON)
    assert translate.decode(name, b"ada", codec.encode(ACTIVITY)) == ACTIVITY


def test_a_record_that_is_no_event_is_refused() -> None:
    with pytest.raises(InvalidRecord):
        translate.decode(topics.CLIENT_ACTIVITY.name, b"ada", b"{}")


def test_an_activity_of_an_unknown_kind_is_only_a_number() -> None:
    unknown = structs.replace(
        ACTIVITY, incarnation="0a1b2c3d", data=structs.replace(ACTIVITY.data, kind="danced")
    )
    assert translate.numbered(unknown) == Skipped(1, 1, "0a1b2c3d")


@pytest.mark.parametrize("nameless", ["practice_id", "client_id", "sequence"])
def test_an_event_of_an_unknown_type_is_a_number_if_it_says_whose_and_which(nameless: str) -> None:
    values = {"practice_id": "harbour", "client_id": "ada", "generation": 2, "sequence": 7}
    event = canonical.UnknownEvent(type="rapport.moon.risen.v1", **values)  # type: ignore[arg-type]  # by name
    assert translate.skipped(event) == (("harbour", "ada"), Skipped(2, 7))
    assert translate.skipped(structs.replace(event, **{nameless: None})) is None


def test_an_event_of_an_unknown_type_without_a_generation_is_of_the_first() -> None:
    values = {"practice_id": "harbour", "client_id": "ada", "sequence": 7}
    event = canonical.UnknownEvent(type="rapport.moon.risen.v1", **values)  # type: ignore[arg-type]  # by name
    assert translate.skipped(event) == (("harbour", "ada"), Skipped(1, 7))


def test_an_activity_that_is_said_anew_keeps_its_id() -> None:
    again = structs.replace(
        ACTIVITY, id="7/2", data=structs.replace(ACTIVITY.data, generation=2, activity_id="7")
    )
    fact = translate.numbered(again)
    assert isinstance(fact, Fact)
    assert (fact.activity_id, fact.generation) == ("7", 2)


def test_an_opening_says_how_many_facts_follow_and_why() -> None:
    data = canonical.GenerationOpening(client_id="ada", generation=7, reason="rebuild", facts=3)
    opened = canonical.GenerationOpened(
        id="g", source="test", time=ACTIVITY.time, practiceid="harbour", data=data
    )
    expected = Opening(7, 3, "rebuild", ACTIVITY.time)
    assert translate.opening(opened) == (("harbour", "ada"), expected)


def test_a_refused_fact_names_its_field_by_the_path_in_the_event() -> None:
    error = translate.refusal("harbour", FactRefused("zone", "another"))
    assert (error.reason, error.field, error.practice_id) == (
        "fact-refused",
        "/data/zone",
        "harbour",
    )


def test_a_change_is_an_event_with_the_same_id_whenever_it_is_encoded() -> None:
    encode = translate.tier_changed(RULEBOOK)
    encoded = [encode(_a_change()) for _ in range(2)]
    assert encoded[0] == encoded[1]
    row = encoded[0]
    assert (row.topic, row.partition, row.key) == (topics.TIER_CHANGES.name, 5, b"ada")
    event = codec.decode(row.topic, row.key, row.value)
    assert isinstance(event, canonical.TierChanged)
    assert (event.id, event.practiceid, event.subject) == ("harbour.ada.rfm.1", "harbour", "ada")
    assert (event.causationid, event.time) == ("a1", NOON)
    data = event.data
    assert (data.version, data.from_tier, data.to_tier) == (1, None, "bronze")
    assert (data.scheme, data.rulebook_version, data.primary) == ("rfm", RULEBOOK.version, True)
    assert data.due_on is None
    assert data.score == Decimal("37.00")  # 30 for recency, a fifth of 35 for one visit
    assert data.explanation[0].line == "recency.within_P1M"
    assert data.next_transition is not None
    assert data.next_transition.from_tier == "bronze"


def test_a_change_after_which_nothing_comes_has_no_next_transition() -> None:
    row = translate.tier_changed(RULEBOOK)(_a_change()._replace(next_transition=None))
    event = codec.decode(row.topic, row.key, row.value)
    assert isinstance(event, canonical.TierChanged)
    assert event.data.next_transition is None


def test_a_watermark_is_passed_on_as_an_event_of_its_partition() -> None:
    row = translate.watermark(5, NOON)
    assert (row.topic, row.partition, row.key) == (topics.TIER_CHANGES.name, 5, b"watermark")
    event = codec.decode(row.topic, row.key, row.value)
    assert isinstance(event, canonical.WatermarkAdvanced)
    assert event.data.up_to == NOON


def _a_change() -> TierTransition:
    state = ClientState("harbour", "ada", 5, "Europe/London")
    fact = translate.numbered(ACTIVITY)
    assert isinstance(fact, Fact)
    change = fold(state, fact, RULEBOOK, date(2026, 3, 2))
    assert change is not None
    return TierTransition(state, change, review(state, RULEBOOK))
