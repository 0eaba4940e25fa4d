"""Signals change no tier: scoring folds their sequence, and nothing else (ADR 52)."""

from datetime import date

import pytest

from rapport_contracts import topics
from rapport_contracts.words import ACTIVITY_KINDS, SIGNAL_KINDS
from scoring_service.consumers import TOPICS
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import KNOWN_KINDS, SIGNALS

ON = date(2024, 3, 2)


def test_every_signal_of_today_is_known() -> None:
    assert frozenset(SIGNAL_KINDS) == SIGNALS
    assert frozenset(ACTIVITY_KINDS) == KNOWN_KINDS


@pytest.mark.parametrize("kind", SIGNAL_KINDS)
def test_a_signal_leaves_the_digest_as_it_is(kind: str) -> None:
    digest = Digest()
    digest.add("completed", ON, 1, 0)
    before = digest.to_bytes()
    assert not digest.add(kind, ON, 1, 60_000)
    assert digest.to_bytes() == before


def test_scoring_reads_nothing_of_care() -> None:
    assert topics.CARE_SIGNALS.name not in TOPICS
