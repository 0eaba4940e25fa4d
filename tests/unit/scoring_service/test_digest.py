"""The digest: addition, and the bytes in which it is stored."""

import random
import struct
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.facts import AMOUNTS, COUNTS, Said
from tests.support.generators.tier_histories import digest_of, facts
from tests.support.oracles.tiers import OracleFact

TODAY = date(2026, 3, 1)
FACTS = st.lists(facts("Asia/Shanghai", TODAY), max_size=20)


@given(FACTS, st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(known: list[OracleFact], order: random.Random) -> None:
    shuffled = known.copy()
    order.shuffle(shuffled)
    assert digest_of(shuffled) == digest_of(known)
    assert digest_of(shuffled).to_bytes() == digest_of(known).to_bytes()


@given(FACTS, FACTS)
def test_what_is_folded_and_unfolded_leaves_nothing(
    known: list[OracleFact], more: list[OracleFact]
) -> None:
    digest = digest_of(known + more)
    for fact in more:
        digest.add(fact.kind, fact.on, -fact.count, -fact.amount_minor)
    assert digest == digest_of(known)


@given(FACTS)
def test_bytes_round_trip(known: list[OracleFact]) -> None:
    digest = digest_of(known)
    data = digest.to_bytes()
    assert len(data) == 1 + 28 * len(digest.days)
    assert Digest.from_bytes(data) == digest


@given(FACTS)
def test_days_are_ordered_and_none_is_empty(known: list[OracleFact]) -> None:
    digest = digest_of(known)
    assert digest.days == sorted(set(digest.days))
    columns = (digest.completed, digest.no_show, digest.settled, digest.refunded)
    assert all(any(row) for row in zip(*columns, strict=True))


def test_the_extremes_of_a_day_survive_the_bytes() -> None:
    digest = Digest()
    digest.add("completed", TODAY, 2**31 - 1, 0)
    digest.add("no_show", TODAY, -(2**31) + 1, 0)
    digest.add("settled", TODAY, 0, 2**63 - 1)
    digest.add("refunded", TODAY, 0, -(2**63) + 1)
    assert Digest.from_bytes(digest.to_bytes()) == digest


def test_a_difference_of_nothing_leaves_nothing() -> None:
    digest = Digest()
    assert not digest.add("completed", TODAY, 0, 500)
    assert not digest.put("booked", TODAY.toordinal(), 0)
    assert digest == Digest()
    assert digest.to_bytes() == b"\x01"


def test_the_last_completed_day_can_be_taken_back() -> None:
    digest = Digest()
    for age in (40, 20, 1):
        digest.add("completed", TODAY - timedelta(days=age), 1, 0)
    digest.add("settled", TODAY, 0, 100)
    assert digest.last_completed_on == TODAY - timedelta(days=1)
    digest.add("completed", TODAY - timedelta(days=40), -1, 0)
    digest.add("completed", TODAY - timedelta(days=1), -1, 0)
    assert digest.last_completed_on == TODAY - timedelta(days=20)
    digest.add("completed", TODAY - timedelta(days=20), -1, 0)
    assert digest.last_completed_on is None


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x05" + bytes(28), b"\x01" + bytes(27), b"\x02" + bytes(28)]
)
def test_bytes_of_another_version_or_length_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="digest"):
        Digest.from_bytes(data)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["completed", "no_show", "settled", "refunded"])
def test_a_sum_beyond_64_bits_is_kept_and_can_be_taken_back(kind: str, sign: int) -> None:
    digest = Digest()
    digest.add("settled", TODAY + timedelta(days=1), 0, 1)
    narrow = digest.to_bytes()
    for _ in range(3):
        digest.add(kind, TODAY, sign * 2**63, sign * 2**63)
    wide = digest.to_bytes()
    assert len(wide) == 1 + 2 * 80
    assert Digest.from_bytes(wide) == digest
    assert getattr(digest, kind)[0] == sign * 3 * 2**63
    digest.add(kind, TODAY, sign * -3 * 2**63, sign * -3 * 2**63)
    assert digest.to_bytes() == narrow


def test_an_unknown_kind_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="gifted"):
        Digest().add("gifted", TODAY, 1, 1)
    with pytest.raises(ValueError, match="gifted"):
        Digest().put("gifted", TODAY.toordinal(), 1)


KINDS = st.sampled_from(sorted(COUNTS | AMOUNTS))
SUMS = st.tuples(
    KINDS,
    st.integers(1, 4_000),
    st.integers(-(2**70), 2**70),
    st.sampled_from(("", "800", "single", "码")),
)
WORDS = st.tuples(
    st.sampled_from(("need", "need_clarity")),
    st.builds(
        Said,
        day=st.integers(1, 4_000),
        sequence=st.integers(1, 2**62),
        value=st.sampled_from(("clear", "given", None)),
        until=st.one_of(st.none(), st.integers(1, 4_000)),
        at=st.integers(-(2**60), 2**60),
        mark=st.integers(-(2**63), 2**63 - 1),
    ),
)


def told(sums: list[Any], words: list[Any]) -> Digest:
    digest = Digest()
    for kind, day, difference, key in sums:
        digest.put(kind, day, difference, key)
    for name, said in words:
        digest.say(name, said)
    return digest


@given(
    st.lists(SUMS, max_size=12),
    st.lists(WORDS, max_size=6, unique_by=lambda word: word[1].mark),
    st.randoms(use_true_random=False),
)
def test_every_kind_survives_the_bytes_in_any_order(
    sums: list[Any], words: list[Any], order: random.Random
) -> None:
    """The mark of a word is that of its event: two words have two."""
    digest = told(sums, words)
    data = digest.to_bytes()
    assert Digest.from_bytes(data) == digest
    twice = [*words, *words]
    shuffled = told(order.sample(sums, len(sums)), order.sample(twice, len(twice)))
    assert shuffled.to_bytes() == data
    assert Digest.from_bytes(data).net == digest.net


@given(st.lists(SUMS, max_size=12), st.lists(SUMS, max_size=12))
def test_sums_that_are_taken_back_leave_nothing(sums: list[Any], more: list[Any]) -> None:
    digest = told(sums + more, [])
    for kind, day, difference, key in more:
        digest.put(kind, day, -difference, key)
    assert digest.to_bytes() == told(sums, []).to_bytes()


@given(st.lists(SUMS, min_size=1, max_size=4), st.lists(WORDS, max_size=4), st.data())
def test_bytes_that_are_cut_off_are_refused(
    sums: list[Any], words: list[Any], data: st.DataObject
) -> None:
    stored = told([*sums, ("booked", 1, 1, "")], words).to_bytes()
    cut = data.draw(st.integers(1, len(stored) - 1))
    with pytest.raises(ValueError, match="digest"):
        Digest.from_bytes(stored[:cut])


def test_rows_of_before_are_read_and_written_as_they_were() -> None:
    before = b"\x01" + struct.pack("<iiiqq", 739_000, 2, 1, 5_000, -7)
    digest = Digest.from_bytes(before)
    assert (digest.completed, digest.no_show, digest.net) == ([2], [1], [5_007])
    assert digest.to_bytes() == before
    digest.put("consulted", 739_001, 1)
    assert len(digest.to_bytes()) == len(before) + 4 + 4 + 28 + 4 + 4
    digest.put("consulted", 739_001, -1)
    assert digest.to_bytes() == before
