"""The words that outreach knows are those that the contracts list as known today."""

from enum import StrEnum

import pytest

from outreach_service.domain.messages import State
from outreach_service.domain.terms import TIER, Channel, Purpose, Reason
from rapport_contracts import words


@pytest.mark.parametrize(
    ("known", "listed"),
    [
        (Channel, words.CHANNELS),
        (Purpose, words.PURPOSES),
        (Reason, words.CHANGE_REASONS),
        (State, words.MESSAGE_STATES),
    ],
)
def test_each_word_of_the_contracts_is_known(known: type[StrEnum], listed: tuple[str, ...]) -> None:
    assert set(known) == set(listed)


def test_the_kind_of_occasion_that_outreach_makes_is_listed() -> None:
    assert TIER in words.OCCASION_KINDS
