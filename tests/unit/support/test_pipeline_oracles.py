"""The generator keeps its promises, and its oracles agree with the services' own rules."""

import json
import random
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import scoring_service
from ingestion_service.domain.facts import SourceFact
from ingestion_service.translate import fact_of
from rapport_contracts.codec import decode_source
from rapport_contracts.errors import InvalidEvent
from scoring_service.domain.assess import assess
from scoring_service.domain.digest import Digest
from scoring_service.domain.explain import score_decimal
from scoring_service.domain.kernel.facts import DENSE
from scoring_service.domain.rulebook_source import parse_rulebook
from tests.support.generators.poison import POISON
from tests.support.generators.workload import PRACTICES, Workload, WorkloadSize, generate
from tests.support.harness.activities import activities_of
from tests.support.oracles.ledger import (
    SourceClient,
    codes_held,
    differences,
    expect,
    history_faults,
    net_facts,
    published_codes,
)

SIZE = WorkloadSize(events=4_000, clients=200, days=60)
ZONES = {practice.practice_id: practice.zone for practice in PRACTICES}
RFM = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text("utf-8")
)
RULEBOOK = parse_rulebook(RFM)
LATE_REASONS = {
    "occurred-in-the-future",
    "currency-mismatch",
    "unknown-practice",
    "conflicting-duplicate",
    "other-client",
}
"""What only ingestion can refuse: it takes more than the record."""


@pytest.fixture(scope="module")
def workload() -> Workload:
    return generate(SIZE)


def test_the_same_seed_sends_the_same_and_another_does_not(workload: Workload) -> None:
    assert generate(SIZE).days == workload.days
    assert generate(WorkloadSize(events=4_000, clients=200, days=60, seed=2)).days != workload.days


def test_it_goes_wrong_as_often_as_was_asked(workload: Workload) -> None:
    assert len(workload.accepted) == SIZE.events
    assert workload.copies >= 0.1 * SIZE.events
    assert workload.late >= 0.1 * SIZE.events
    assert workload.letters.total() >= 0.01 * SIZE.events
    assert {kind.reason for kind in POISON} <= workload.letters.keys()
    assert workload.letters["conflicting-duplicate"] > 0
    assert workload.letters["other-client"] > 0


def test_history_reaches_back_400_days_and_undoing_comes_before_what_it_undoes(
    workload: Workload,
) -> None:
    sent_on: dict[tuple[str, str], tuple[int, int]] = {}
    ages = []
    for number, records in enumerate(workload.days):
        for place, sent in enumerate(records):
            try:
                event = decode_source(sent.topic, sent.key, sent.value)
            except InvalidEvent:
                continue
            sent_on.setdefault((event.practiceid, event.id), (number, place))
            ages.append((workload.noon(number) - event.time).days)
    assert 390 <= max(ages) <= 470
    early = Counter(
        document["type"]
        for key, document in workload.accepted.items()
        for stem, number in [document["id"].rsplit("-", 1)]
        if int(number)
        and sent_on.get((key.practice_id, f"{stem}-{int(number) - 1}"), (0, 0))
        > sent_on[key.practice_id, key.event_id]
    )
    assert early["rapport.booking.cancelled.v1"] > 10
    assert early["rapport.payment.refunded.v1"] > 10


def test_a_clients_records_are_on_several_partitions(workload: Workload) -> None:
    places: dict[bytes | None, set[int]] = {}
    for records in workload.days:
        for sent in records:
            places.setdefault(sent.key, set()).add(sent.partition)
    assert sum(len(found) > 1 for found in places.values()) > 0.9 * len(places)


def test_the_contract_refuses_the_poison_for_the_reasons_expected(workload: Workload) -> None:
    found: Counter[str] = Counter()
    for records in workload.days:
        for sent in records:
            try:
                decode_source(sent.topic, sent.key, sent.value)
            except InvalidEvent as refusal:
                found[refusal.reason] += 1
    expected = {key: n for key, n in workload.letters.items() if key not in LATE_REASONS}
    assert found == expected


def test_nets_and_codes_are_those_of_ingestions_rules_in_any_order(workload: Workload) -> None:
    nets = net_facts(workload.accepted.values(), ZONES)
    facts = [
        fact_of(decode_source(None, None, json.dumps(document).encode()))
        for document in workload.accepted.values()
    ]
    random.Random(5).shuffle(facts)
    subjects: dict[tuple[SourceClient, str, str], list[SourceFact]] = {}
    for fact in facts:
        owner = SourceClient(fact.practice_id, fact.source, fact.external_id)
        subjects.setdefault((owner, fact.object_kind, fact.external_object_id), []).append(fact)
    sums: dict[SourceClient, dict[tuple[str, date], list[int]]] = {owner: {} for owner in nets}
    said: list[dict[str, Any]] = []
    for (owner, _, _), its_facts in subjects.items():
        for delta in activities_of(its_facts, ZoneInfo(ZONES[owner.practice_id])):
            held = sums[owner].setdefault((delta.kind, delta.on), [0, 0])
            held[0] += delta.number
            held[1] += delta.amount_minor
            shown = {
                "kind": delta.kind,
                "count": delta.number,
                "attributes": dict(delta.attributes),
            }
            said.append({"practiceid": owner.practice_id, "data": shown})
    filled = {
        owner: {key: (n, amount) for key, (n, amount) in held.items() if n or amount}
        for owner, held in sums.items()
    }
    assert filled == nets
    assert published_codes(said) == codes_held(workload.accepted.values())


def test_the_expected_answer_is_that_of_scorings_assess(workload: Workload) -> None:
    nets = net_facts(workload.accepted.values(), ZONES)
    today = date(2025, 4, 11)
    for owner, net in sorted(nets.items())[:60]:
        digest = Digest()
        for (kind, on), (count, amount) in net.items():
            if kind in DENSE:
                digest.add(kind, on, count, amount)
        found = assess(digest, RULEBOOK, today, ZONES[owner.practice_id])
        coming = found.next_transition
        answer = {
            "tier": found.tier,
            "score": str(score_decimal(found.score)),
            "explanation": [
                line._asdict() | {"until": line.until and line.until.isoformat()}
                for line in found.explanation
            ],
            "next_transition": coming and coming._asdict() | {"at": coming.at.isoformat()},
        }
        expected = expect(RFM, net, today, ZONES[owner.practice_id])
        assert differences(expected, answer) == []
        wrong = answer | {"tier": "gone", "score": "1.01", "explanation": []}
        assert differences(expected, wrong)[:3] == ["tier", "score", "explanation"]


def test_a_history_with_a_gap_or_a_jump_is_found() -> None:
    def change(version: int, before: str | None, after: str) -> dict[str, object]:
        return {"version": version, "from_tier": before, "to_tier": after}

    good = [change(1, None, "iron"), change(2, "iron", "gold")]
    assert history_faults(good) == []
    assert history_faults(good[1:])
    assert history_faults([*good, change(4, "gold", "iron")])
    assert history_faults([*good, change(3, "silver", "iron")])


def test_noon_is_noon_in_london(workload: Workload) -> None:
    assert workload.noon(0) == datetime(2025, 2, 10, 12, tzinfo=UTC)
    assert workload.noon(59) == datetime(2025, 4, 10, 11, tzinfo=UTC)
