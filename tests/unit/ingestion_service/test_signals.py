"""Signals: what holds of each is found in any order, and what is of care reaches care alone."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from ingestion_service import translate
from ingestion_service.domain.facts import SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.handlers import accept, register_practice
from rapport_contracts.catalogue import SOURCE
from rapport_contracts.codec import decode_source
from rapport_contracts.topics import CARE_SIGNALS, SOURCE_CARE, SOURCE_SIGNALS
from tests.support.generators import signals as generated
from tests.support.memory.ingestion import NOON, MemoryStores
from tests.support.memory.ingestion_world import LAKESIDE
from tests.support.oracles.signals import Holds, what_holds

Document = dict[str, Any]
CANARY = "canary-4711"


def fact_of(document: Document) -> SourceFact:
    return translate.fact_of(decode_source(None, None, json.dumps(document).encode()))


def signal(kind: str, event_id: str = "e1", hours: int = 0, /, **data: Any) -> Document:
    """An event of Wang Fang; of care where its kind is."""
    family = "signal" if f"rapport.signal.{kind}.v1" in SOURCE[SOURCE_SIGNALS.name] else "care"
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "desk",
        "practiceid": "lakeside",
        "subject": "wang-fang",
        "time": (NOON - timedelta(days=1) + timedelta(hours=hours)).isoformat(),
        "type": f"rapport.{family}.{kind}.v1",
        "data": data,
    }


class Intake:
    """A practice that takes in signals."""

    def __init__(self) -> None:
        self.stores = MemoryStores()
        with self.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)

    def send(self, *documents: Document) -> list[IntakeResult]:
        with self.stores.open(LAKESIDE.practice_id) as store:
            return accept([fact_of(each) for each in documents], store)

    def sums(self) -> Counter[tuple[str, Any, Any, int]]:
        """By kind, day, codes and amount, how often it counts."""
        found: Counter[tuple[str, Any, Any, int]] = Counter()
        for each in self.stores.tables.published:
            one = each.delta
            unit = one.amount_minor * (1 if one.number > 0 else -1)
            found[one.kind, one.on, one.attributes, unit] += one.number
        del found["registered", NOON.date(), (), 0]
        return +found

    def care(self) -> set[tuple[str, str, datetime, Any]]:
        """What a reader of care knows last of each signal."""
        last = {each.object_id: each for each in self.stores.tables.care}
        return {(one.source, one.kind, one.occurred_at, one.attributes) for one in last.values()}


def counted(holds: Holds) -> tuple[str, Any, Any, int]:
    said = dict(holds.said)
    amount = said.pop("amount_minor", 0)
    said.pop("currency", None)
    # 22:00 in UTC is the next day in Shanghai.
    return holds.kind, holds.since.date() + timedelta(days=1), tuple(sorted(said.items())), amount


@given(generated.arrivals())
def test_any_order_gives_what_the_oracle_says(
    history: tuple[list[Document], list[list[Document]]],
) -> None:
    documents, batches = history
    intake = Intake()
    for batch in batches:
        assert {each.status for each in intake.send(*batch)} <= {"accepted", "duplicate"}
    holds = what_holds(documents)
    assert intake.sums() == Counter(
        counted(each) for each in holds if each.family == "signal" and each.kind != "withdrawn"
    )
    assert intake.care() == {
        (each.source, each.kind, each.since, each.said) for each in holds if each.family == "care"
    }


@given(generated.arrivals())
def test_the_numbers_of_care_have_no_gap_and_are_apart_from_those_of_activities(
    history: tuple[list[Document], list[list[Document]]],
) -> None:
    intake = Intake()
    for batch in history[1]:
        intake.send(*batch)
    care = intake.stores.tables.care
    for client in {each.client for each in care}:
        of_client = [each.sequence for each in care if each.client == client]
        assert of_client == list(range(1, len(of_client) + 1))
    activities = intake.stores.tables.published
    for client_id in {each.owner.client_id for each in activities}:
        numbers = [one.sequence for one in activities if one.owner.client_id == client_id]
        assert numbers == list(range(1, len(numbers) + 1))


CARE = (
    signal("survey_answered", CANARY, survey=CANARY, mark=3, scale=10),
    signal("mood_reported", CANARY, signal_id=CANARY, mark=3, scale=10),
    signal("complaint_opened", CANARY, signal_id=CANARY, code=CANARY),
    signal("risk_noted", CANARY, signal_id=CANARY, level=CANARY),
    signal(
        "consent_given",
        CANARY,
        channel="email",
        purpose="care",
        evidence=CANARY,
        text_version=CANARY,
    ),
)


@pytest.mark.parametrize("document", CARE, ids=lambda one: one["type"])
def test_no_topic_that_grading_reads_knows_of_care(document: Document) -> None:
    intake = Intake()
    assert [each.status for each in intake.send(document)] == ["accepted"]
    tables = intake.stores.tables
    assert tables.published == []
    (word,) = tables.care
    record = translate.record_of_care(word)
    assert (record.topic, CANARY.encode() in record.value) == (CARE_SIGNALS.name, True)


@pytest.mark.parametrize("document", CARE, ids=lambda one: one["type"])
def test_ingestion_keeps_no_value_of_care(document: Document) -> None:
    intake = Intake()
    intake.send(document)
    (entry,) = intake.stores.tables.ledger.values()
    (stored,) = intake.stores.tables.objects.values()
    assert (entry.fact.attributes, entry.deltas, stored.standing.codes) == ((), [], ())
    again = {**document, "data": {**document["data"], "scale": 20, "level": "b", "code": "b"}}
    assert intake.send(document)[0].status == "duplicate"
    if "consent" not in document["type"]:
        assert intake.send(again)[0].reason == "conflicting-duplicate"


def test_a_client_known_by_care_alone_is_announced_by_what_is_no_care() -> None:
    intake = Intake()
    intake.send(signal("mood_reported", "e1", mark=3, scale=10))
    intake.send(signal("withdrawn", "e2", signal_id="NEED-1"))
    (told,) = intake.stores.tables.published
    assert (told.delta.kind, told.sequence) == ("registered", 1)


def test_a_withdrawal_of_consent_is_taken_whatever_its_time() -> None:
    consent = {
        "channel": "email",
        "purpose": "care",
        "evidence": "form-1",
        "text_version": "v1",
    }
    ahead = 24 * 365
    given_ahead = signal("consent_given", "e1", ahead, **consent)
    withdrawn = signal("consent_withdrawn", "e2", ahead, **consent)
    results = Intake().send(given_ahead, withdrawn)
    assert [each.reason or each.status for each in results] == [
        "occurred-in-the-future",
        "accepted",
    ]


def test_what_ends_a_signal_waits_while_its_client_is_not_known() -> None:
    intake = Intake()
    closing = signal("case_closed", "e2", 1, signal_id="C1", outcome="completed")
    del closing["subject"]
    opening = signal("case_opened", "e1", signal_id="C1")
    assert [each.status for each in intake.send(closing)] == ["parked"]
    assert [each.status for each in intake.send(opening, closing)] == ["accepted", "accepted"]
    assert [kind for kind, *_ in intake.sums()] == ["case_closed"]


def test_a_signal_belongs_to_the_client_of_its_first_event() -> None:
    intake = Intake()
    other = signal("risk_noted", "e2", 1, signal_id="R1") | {"subject": "li-wei"}
    results = intake.send(signal("risk_noted", "e1", signal_id="R1"), other)
    assert [each.reason or each.status for each in results] == ["accepted", "other-client"]


def test_each_type_of_signal_has_a_kind_here_and_on_its_topic() -> None:
    for topic in (SOURCE_SIGNALS, SOURCE_CARE):
        for name in SOURCE[topic.name]:
            assert translate.KINDS[name] == name.split(".")[2]
