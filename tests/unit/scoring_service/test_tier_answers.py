"""The JSON of one client's tier, made without its models, is what they would make of it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from scoring_service.api.fast.tier_route import tier_json
from scoring_service.api.schemas import TierAnswer
from scoring_service.domain.assess import assess
from scoring_service.domain.digest import Digest
from scoring_service.ports import ClientTier, HeldBy
from tests.support.generators.tier_histories import RULEBOOK

DAY, ZONE = date(2026, 3, 1), "Europe/London"
AT = datetime(2026, 3, 1, 12, 30, 0, 1, tzinfo=UTC)


def digest(*visits: tuple[int, int]) -> Digest:
    made = Digest()
    for days_ago, amount in visits:
        on = date.fromordinal(DAY.toordinal() - days_ago)
        made.add("completed", on, 1, 0)
        made.add("settled", on, 1, amount)
    return made


def client(visits: Digest | None, **changes: Any) -> ClientTier:
    known = None if visits is None else assess(visits, RULEBOOK, DAY, ZONE)
    about = {"is_rebuilding": False, "first_overdue_sequence": None}
    known_by = {"assessment": known, "rulebook": RULEBOOK}
    row = ClientTier("a" * 32, ZONE, 3, AT, AT, None, None, None, **about, **known_by)  # type: ignore[arg-type]  # by name
    return row._replace(**changes)


@pytest.mark.parametrize(
    "found",
    [
        client(None, since=None, as_of=None, version=0),
        client(digest()),
        client(digest((3, 5_000))),
        client(digest(*((days, 12_345) for days in range(0, 300, 11))), first_missing_sequence=2),
        client(digest((364, 1)), as_of=None),
        client(digest((3_000, 99))),
        client(None, zone=""),
        client(digest((3, 5_000)), held=[HeldBy("silent", "till", AT), HeldBy("new", None, AT)]),
    ],
    ids=[
        *("unassessed", "never came", "once", "often", "about to fall", "long ago", "unheard of"),
        "held",
    ],
)
def test_it_is_what_the_model_says(found: ClientTier) -> None:
    answer = TierAnswer.of(found)
    assert tier_json(found) == answer.model_dump_json().encode()
    assert (answer.next_transition is None) == (
        found.assessment is None or found.assessment.next_transition is None
    )


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("first_missing_sequence", "missing"),
        ("first_skipped_sequence", "unknown"),
        ("first_repeated_sequence", "repeated"),
        ("first_overdue_sequence", "rebuilding"),
    ],
)
def test_it_says_why_its_inputs_are_not_complete(field: str, reason: str) -> None:
    whole = TierAnswer.of(client(digest()))
    assert (whole.inputs_complete, whole.inputs_incomplete) == (True, [])
    answer = TierAnswer.of(client(digest(), **{field: 7}))
    assert not answer.inputs_complete
    assert [(why.reason, why.since_sequence) for why in answer.inputs_incomplete] == [(reason, 7)]


def test_it_names_its_scheme() -> None:
    answer = TierAnswer.of(client(digest()))
    assert (answer.scheme, answer.rulebook_version, answer.primary) == ("rfm", 1, True)
