"""Tiers by rank: cut-offs, the band, who is outside, and what time alone changes."""

from collections import Counter
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.assessment import assess
from scoring_service.domain.kernel.moments import day_of, end_of, midnight_of
from scoring_service.domain.kernel.rank import (
    CutOffs,
    DatedRank,
    Member,
    RankScheme,
    Touched,
    cut_offs,
    direction,
    touched,
)
from scoring_service.domain.kernel.rank_documents import compile_rank
from scoring_service.domain.kernel.timeline import changes, stand
from tests.support.generators.rank_practices import (
    DAYS,
    FIRST,
    RANK_DOCUMENTS,
    RANKS,
    practice,
    with_least,
)
from tests.support.generators.scheme_histories import SCHEMES
from tests.support.oracles.ranks import Ranked, Version, version_of
from tests.support.oracles.ranks import midnights as by_sorting
from tests.support.oracles.ranks import standing as standing_by_sorting
from tests.support.worlds.ranked_practice import facts_of, midnights, standing_at

ALL, ACTIVE = RANKS["pyramid_all"], RANKS["pyramid_active"]
TODAY = date(2026, 6, 30)
NOW = TODAY.toordinal()
VIP, BIG, MIDDLE, SMALL = 3, 2, 1, 0


def descending(clients: int) -> list[Member]:
    """Clients 1, 2, 3 ... who have less and less."""
    return [Member(str(n), 1_000 * (clients + 1 - n), None) for n in range(1, clients + 1)]


def ranks(scheme: RankScheme, members: list[Member]) -> tuple[list[int], list[int]]:
    """Down to which place one enters each tier, and stays on it, the best one first."""
    version = cut_offs(scheme, members)
    assert version is not None
    values = [member.value for member in members]
    places = [[values.index(cut) + 1 for cut in cuts] for cuts in (version.enter, version.stay)]
    return places[0][::-1], places[1][::-1]


def paid(yuan: int, on: int = NOW - 30) -> Digest:
    facts = Digest()
    facts.put("settled", on, 100 * yuan)
    return facts


@pytest.mark.parametrize(
    ("clients", "enter", "stay"),
    [
        (100, [5, 20, 40], [6, 22, 44]),
        (101, [6, 21, 41], [6, 23, 45]),
        (119, [6, 24, 48], [7, 27, 53]),
        (120, [6, 24, 48], [7, 27, 53]),
        (121, [7, 25, 49], [7, 27, 54]),
        (1_000, [50, 200, 400], [55, 220, 440]),
    ],
)
def test_shares_of_all_clients_are_rounded_up(
    clients: int, enter: list[int], stay: list[int]
) -> None:
    assert ranks(ALL, descending(clients)) == (enter, stay)


@pytest.mark.parametrize(
    ("clients", "enter", "stay"),
    [
        (100, [1, 5, 20], [2, 6, 22]),
        (101, [2, 6, 21], [2, 6, 23]),
        (200, [2, 10, 40], [3, 11, 44]),
        (1_000, [10, 50, 200], [11, 55, 220]),
    ],
)
def test_shares_of_active_clients_are_rounded_up(
    clients: int, enter: list[int], stay: list[int]
) -> None:
    assert ranks(ACTIVE, descending(clients)) == (enter, stay)


def test_of_forty_clients_the_top_hundredth_is_one() -> None:
    scheme = compile_rank(with_least(RANK_DOCUMENTS["pyramid_active"], 40), SCHEMES)
    assert ranks(scheme, descending(40))[0] == [1, 2, 8]


def test_below_a_hundred_with_anything_nobody_is_ranked() -> None:
    nothing = [Member(f"nothing-{n}", value, None) for n, value in enumerate((0, -5, None))]
    for scheme in (ALL, ACTIVE):
        assert cut_offs(scheme, [*descending(99), *nothing]) is None
        assert cut_offs(scheme, [*descending(100), *nothing]) is not None
        for facts in (Digest(), paid(5_000)):
            assert standing_at(DatedRank(scheme, None), "1", facts, end_of(NOW)) == "unranked"


def test_who_has_nothing_counts_for_the_shares_and_stands_lowest() -> None:
    members = [*descending(100), *(Member(f"nothing-{n}", 0, BIG) for n in range(900))]
    version = cut_offs(ALL, members)
    assert version is not None
    # 5 % of 1,000 are 50; 20 % would be 200, and only 100 have anything.
    assert version == CutOffs(enter=(1, 1, 51_000), stay=(1, 1, 46_000), held={})
    dated = DatedRank(ALL, version)
    assert standing_at(dated, "nothing-1", Digest(), end_of(NOW)) == "small"
    assert standing_at(dated, "1", paid(1), end_of(NOW)) == "big"


def test_ties_share_the_better_tier() -> None:
    members = [Member(str(n), 500_000 if n < 50 else 1_000, None) for n in range(100)]
    dated = DatedRank(ALL, cut_offs(ALL, members))
    stands = Counter(
        standing_at(dated, each.client, paid((each.value or 0) // 100), end_of(NOW))
        for each in members
    )
    assert stands == {"vip": 50, "small": 50}


class TestTheBand:
    MEMBERS = descending(100)
    """5 enter the best tier, 6 stay; 20 and 22 the next; 40 and 44 the third."""

    def standing(self, place: int, held: int | None) -> str:
        members = [
            each._replace(held=held) if each.client == str(place) else each for each in self.MEMBERS
        ]
        dated = DatedRank(ALL, cut_offs(ALL, members))
        value = members[place - 1].value or 0
        return standing_at(dated, str(place), paid(value // 100), end_of(NOW))

    @pytest.mark.parametrize(
        ("place", "held", "stands"),
        [
            (5, None, "vip"),
            (5, SMALL, "vip"),
            (6, None, "big"),
            (6, BIG, "big"),
            (6, VIP, "vip"),
            (7, VIP, "big"),
            (20, MIDDLE, "big"),
            (21, MIDDLE, "middle"),
            (21, BIG, "big"),
            (22, BIG, "big"),
            (22, VIP, "big"),
            (23, BIG, "middle"),
            (44, MIDDLE, "middle"),
            (44, BIG, "middle"),
            (44, SMALL, "small"),
            (44, None, "small"),
            (45, MIDDLE, "small"),
        ],
    )
    def test_who_held_a_tier_keeps_it_until_the_edge(
        self, place: int, held: int | None, stands: str
    ) -> None:
        assert self.standing(place, held) == stands

    def test_a_version_lists_those_between_alone(self) -> None:
        members = [each._replace(held=VIP) for each in self.MEMBERS]
        version = cut_offs(ALL, members)
        assert version is not None
        assert set(version.held) == {"6", "21", "22", "41", "42", "43", "44"}
        lowest = cut_offs(ALL, [each._replace(held=SMALL) for each in self.MEMBERS])
        assert lowest is not None
        assert lowest.held == {}


@pytest.mark.parametrize("key", sorted(RANKS))
@pytest.mark.parametrize("seed", range(6))
def test_thirty_midnights_are_those_of_sorting(key: str, seed: int) -> None:
    random = Random(f"{key}/{seed}")
    document = with_least(RANK_DOCUMENTS[key], 30)
    scheme = compile_rank(document, SCHEMES)
    clients = practice(random, random.choice((36, 45, 80, 101)))
    expected = by_sorting(document, clients, FIRST, DAYS)
    found = midnights(scheme, facts_of(clients), FIRST, DAYS, random)
    for (version, stands), (sorted_version, sorted_stands) in zip(found, expected, strict=True):
        assert stands == sorted_stands
        assert same(scheme, version, sorted_version)


def same(scheme: RankScheme, version: CutOffs | None, other: Version | None) -> bool:
    if version is None or other is None:
        return version is None and other is None
    keys = scheme.tier_keys()
    held = {client: keys.index(tier) for client, tier in other.held.items() if tier != keys[0]}
    return (
        dict(zip(keys[1:], version.enter, strict=True)) == other.enter
        and dict(zip(keys[1:], version.stay, strict=True)) == other.stay
        and dict(version.held) == held
    )


@pytest.mark.parametrize("key", sorted(RANKS))
def test_what_is_to_come_holds_the_cut_offs_constant(key: str) -> None:
    random = Random(f"{key}/forecast")
    document = with_least(RANK_DOCUMENTS[key], 30)
    scheme = compile_rank(document, SCHEMES)
    clients = practice(random, 60)
    facts = facts_of(clients)
    version, _ = midnights(scheme, facts, FIRST, 9, random)[-1]
    sorted_version, _ = by_sorting(document, clients, FIRST, 9)[-1]
    assert version is not None
    dated, today, moved = DatedRank(scheme, version), FIRST + timedelta(days=DAYS), 0
    for client, known in clients.items():
        bound = dated.of(client)
        now = stand(bound, facts[client], today.toordinal(), today.toordinal())
        trail = [
            (day_of(step.moment), bound.tiers[step.after].key)
            for step in changes(bound, facts[client], now)
        ]
        before = standing_by_sorting(document, sorted_version, client, known, today, today)
        assert bound.tiers[now.tier].key == before
        expected = []
        for ahead in range(1, 400):
            day = today + timedelta(days=ahead)
            yesterday = day - timedelta(days=1)
            after = standing_by_sorting(document, sorted_version, client, known, day, yesterday)
            if after != before:
                expected.append((day.toordinal(), after))
                before = after
        assert trail == expected
        moved += len(trail)
    assert moved > 20


values = st.lists(st.integers(-3, 40), min_size=1, max_size=60)
percents = st.lists(st.integers(1, 40), min_size=1, max_size=4).filter(lambda each: sum(each) < 100)


@given(values, values, percents, st.integers(0, 100), st.randoms(use_true_random=False))
def test_whatever_the_shares_versions_are_those_of_sorting_and_say_whom_they_touch(
    before: list[int], after: list[int], shares: list[int], band: int, random: Random
) -> None:
    document = of_shares(shares, band)
    scheme = compile_rank(document, SCHEMES)
    keys, versions, stands = scheme.tier_keys(), [], []
    held: dict[str, int] = {}
    for nets in (before, after):
        members = [Member(f"c{n}", net, held.get(f"c{n}")) for n, net in enumerate(nets)]
        random.shuffle(members)
        version = cut_offs(scheme, members)
        sorted_members = [
            Ranked(
                each.client, each.value or 0, "unranked" if each.held is None else keys[each.held]
            )
            for each in members
        ]
        assert same(scheme, version, version_of(document, sorted_members))
        dated = DatedRank(scheme, version)
        found = {
            f"c{n}": standing_at(dated, f"c{n}", cents(net), end_of(NOW))
            for n, net in enumerate(after)
        }
        held = {name: keys.index(tier) for name, tier in found.items() if tier in keys}
        versions.append(version)
        stands.append(found)
    told = touched(*versions)
    for name, net in zip(stands[1], after, strict=True):
        if stands[0][name] != stands[1][name]:
            is_told = any(low <= net < high for low, high in told.ranges) or name in told.clients
            assert told.everybody or is_told


def of_shares(shares: list[int], band: int) -> dict[str, object]:
    names = {"en": "name", "zh": "名称"}
    every = [*shares, 100 - sum(shares)]
    keys = [f"t{n}" for n in range(len(every))]
    document = RANK_DOCUMENTS["pyramid_all"]
    return document | {
        "tiers": [{"key": key, "names": names, "source": "ours"} for key in reversed(keys)],
        "decision": document["decision"]
        | {
            "least": 1,
            "band_percent": band,
            "shares": [
                {"tier": key, "percent": percent, "source": "ours"}
                for key, percent in zip(keys, every, strict=True)
            ],
        },
    }


def cents(net: int) -> Digest:
    facts = Digest()
    facts.put("settled", NOW, net)
    return facts


def test_a_version_touches_those_between_the_cut_offs_and_in_the_bands() -> None:
    old = CutOffs(enter=(10, 20, 30), stay=(9, 18, 30), held={"a": BIG})
    new = CutOffs(enter=(10, 25, 28), stay=(9, 20, 27), held={"b": VIP})
    assert touched(old, new) == Touched(
        everybody=False, ranges=((20, 25), (28, 30)), clients=frozenset("ab")
    )
    assert touched(old, old) == Touched(everybody=False, ranges=(), clients=frozenset("a"))
    assert touched(None, new).everybody
    assert touched(old, None).everybody
    assert touched(None, None) == Touched(everybody=False, ranges=(), clients=frozenset())


def test_a_client_of_none_of_the_population_is_outside_until_they_buy() -> None:
    dated = DatedRank(ACTIVE, cut_offs(ACTIVE, descending(100)))
    lapsed = paid(5_000, on=date(2025, 6, 29).toordinal())
    assert standing_at(dated, "x", lapsed, end_of(NOW)) == "outside"
    assert standing_at(dated, "x", Digest(), end_of(NOW)) == "outside"
    kept = paid(5_000, on=date(2025, 6, 30).toordinal())
    answer = assess(dated.of("x"), kept, NOW)
    assert answer.tier == "platinum"
    assert answer.next_transition is not None
    assert answer.next_transition.moment == midnight_of(NOW + 1)
    assert dated.of("x").tiers[answer.next_transition.after].key == "outside"


def test_an_answer_says_the_measure_and_what_the_next_tier_needs() -> None:
    dated = DatedRank(ALL, cut_offs(ALL, descending(100)))
    answer = assess(dated.of("x"), paid(700), NOW)
    assert answer.tier == "middle"
    assert [(line.ladder, line.rung, line.value) for line in answer.explanation] == [
        ("net", "middle", 70_000)
    ]
    assert [(way.rung, way.tier) for way in answer.ways_up] == [("big", "big")]


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (None, "small", "entered"),
        (None, "outside", "entered"),
        ("small", "vip", "upgraded"),
        ("vip", "middle", "downgraded"),
        ("outside", "vip", "moved"),
        ("vip", "unranked", "moved"),
        ("unranked", "outside", "moved"),
    ],
)
def test_reserved_standings_are_neither_up_nor_down(
    before: str | None, after: str, word: str
) -> None:
    assert direction(ALL, before, after) == word
