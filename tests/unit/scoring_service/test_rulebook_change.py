"""What a new version of the rules may change while clients stand in the tiers of the one before."""

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.digest import Digest
from scoring_service.domain.rulebook_change import check_change
from scoring_service.domain.rulebook_source import InvalidRulebook, parse_rulebook
from scoring_service.domain.walk import walk
from scoring_service.handlers import TierAssessor
from scoring_service.ports import StoredTier
from tests.support.generators.tier_histories import RFM, RULEBOOK

DAY = date(2026, 3, 2)
ZONE = "Europe/London"
AT = datetime(2026, 3, 1, tzinfo=UTC)
Edit = Callable[[dict[str, Any]], object]


def changed(*edits: Edit) -> dict[str, Any]:
    """The built-in rulebook as version 2."""
    source = copy.deepcopy(RFM)
    source["version"] = 2
    for edit in edits:
        edit(source)
    return source


def without_gold(source: dict[str, Any]) -> None:
    source["tiers"] = [tier for tier in source["tiers"] if tier["key"] != "gold"]
    source["bands"] = source["bands"][1:]


def with_platinum(source: dict[str, Any]) -> None:
    source["tiers"].append({"key": "platinum", "names": {"en": "Platinum", "zh": "白金"}})
    source["bands"].insert(0, {"tier": "platinum", "at_least": 90})


def silver_above_gold(source: dict[str, Any]) -> None:
    source["tiers"][3], source["tiers"][4] = source["tiers"][4], source["tiers"][3]
    source["bands"][0]["tier"], source["bands"][1]["tier"] = "silver", "gold"


def gold_from_30(source: dict[str, Any]) -> None:
    source["bands"][0]["at_least"], source["bands"][1]["at_least"] = 30, 20


def of_another_key(source: dict[str, Any]) -> None:
    source["key"] = "loyalty"


@pytest.mark.parametrize(
    ("edit", "field", "reason"),
    [
        pytest.param(without_gold, "tiers", "clients may stand in gold by version 1", id="gone"),
        pytest.param(silver_above_gold, "tiers", "must keep the order of version 1", id="order"),
        pytest.param(of_another_key, "key", "clients stand in the tiers of 'rfm'", id="key"),
    ],
)
def test_what_clients_would_not_fit_is_refused_by_name(edit: Edit, field: str, reason: str) -> None:
    with pytest.raises(InvalidRulebook) as refused:
        check_change(RULEBOOK, parse_rulebook(changed(edit)))
    assert refused.value.field == field
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize("edit", [with_platinum, gold_from_30])
def test_tiers_can_be_added_and_cut_offs_moved(edit: Edit) -> None:
    check_change(RULEBOOK, parse_rulebook(changed(edit)))


def once_silver() -> tuple[Digest, StoredTier]:
    """A client of one visit and 50.00: 55 points, silver by version 1, gold by `gold_from_30`."""
    digest = Digest()
    digest.add("completed", DAY, 1, 0)
    digest.add("settled", DAY, 1, 5_000)
    stored = StoredTier(
        "ada", ZONE, digest.to_bytes(), DAY, "silver", 5_450, 1, AT, None, None, None, None
    )
    return digest, stored


class TestTheAnswer:
    """`TierAssessor`, after a change of the rulebook."""

    def test_a_client_that_nobody_touched_has_the_tier_of_its_version_and_why(self) -> None:
        _, stored = once_silver()
        later = parse_rulebook(changed(gold_from_30))
        answer = TierAssessor(lambda: [later, RULEBOOK]).tier(stored)
        assert answer.assessment is not None
        assert (answer.assessment.tier, answer.version, answer.since) == ("silver", 1, AT)
        assert answer.rulebook == RULEBOOK
        assert answer.assessment.explanation
        assert answer.assessment.next_transition is not None
        assert answer.assessment.next_transition.rulebook_version == 1

    def test_one_that_was_assessed_anew_is_explained_by_the_new_rulebook(self) -> None:
        _, stored = once_silver()
        later = parse_rulebook(changed(gold_from_30))
        answer = TierAssessor(lambda: [later, RULEBOOK]).tier(
            stored._replace(tier="gold", version=2)
        )
        assert answer.assessment is not None
        assert (answer.assessment.tier, answer.rulebook.version) == ("gold", 2)

    def test_a_tier_that_no_rulebook_here_gives_is_answered_without_a_reason(self) -> None:
        """A worker has registered a rulebook that this process has not read yet."""
        _, stored = once_silver()
        answer = TierAssessor(lambda: [RULEBOOK]).tier(stored._replace(tier="platinum"))
        assert answer.assessment is not None
        assert (answer.assessment.tier, answer.assessment.score) == ("platinum", 5_450)
        assert answer.assessment.explanation == ()

    def test_an_assessment_by_one_rulebook_is_never_taken_for_that_of_another(self) -> None:
        """Also when a rulebook is registered between two requests."""
        _, stored = once_silver()
        later = parse_rulebook(changed(gold_from_30))
        registered = [RULEBOOK]
        assessor = TierAssessor(lambda: registered)
        assert assessor.tier(stored).rulebook == RULEBOOK
        registered.insert(0, later)
        assert assessor.tier(stored).rulebook == RULEBOOK
        assert assessor.tier(stored._replace(tier="gold")).rulebook == later
        assert assessor.rulebook == later


def test_time_makes_no_change_from_a_tier_to_itself() -> None:
    """Silver by the old rules, gold by the new ones, until time takes it to silver by those."""
    digest, _ = once_silver()
    later = parse_rulebook(
        changed(
            lambda s: s["bands"][0].update(at_least=50), lambda s: s["bands"][1].update(at_least=35)
        )
    )
    state = ClientState(
        "harbour",
        "ada",
        0,
        ZONE,
        last_sequence=2,
        digest=digest,
        assessed_on=DAY,
        tier=3,
        version=1,
    )
    changes = walk(state, later, date(2027, 6, 1))
    assert changes
    assert all(change.from_tier != change.to_tier for change in changes)
    assert [change.version for change in changes] == list(range(2, 2 + len(changes)))
