"""Grading: tiers by rank, whose cut-offs of each midnight are those of sorting everybody."""

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from types import MappingProxyType

from scoring_service.domain.kernel.rank import Member, cut_offs
from tests.support.generators.rank_practices import RANK_DOCUMENTS, RANKS
from tests.support.oracles.ranks import Ranked, version_of
from tools.claim import Bench, Measured, all_of
from tools.proof.pytest_runs import shown_by_one_run

CLIENTS = 100_000
MIDNIGHTS = 30

_RANK = "tests/unit/scoring_service/kernel/test_rank.py"
CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rank: every share, band and tie at both sides of its edge, as the documents write them": (
            f"{_RANK}::test_shares_of_all_clients_are_rounded_up",
            f"{_RANK}::test_shares_of_active_clients_are_rounded_up",
            f"{_RANK}::test_ties_share_the_better_tier",
            f"{_RANK}::TestTheBand",
        ),
        "rank: everybody's standing at 30 midnights is that of sorting, in any order": (
            f"{_RANK}::test_thirty_midnights_are_those_of_sorting",
            f"{_RANK}::test_whatever_the_shares_versions_are_those_of_sorting_and_say_whom_they_touch",
        ),
        "rank: too few are unranked, others outside, and neither is up or down": (
            f"{_RANK}::test_below_a_hundred_with_anything_nobody_is_ranked",
            f"{_RANK}::test_a_client_of_none_of_the_population_is_outside_until_they_buy",
            f"{_RANK}::test_reserved_standings_are_neither_up_nor_down",
        ),
        "rank: what is to come holds the cut-offs constant": (
            f"{_RANK}::test_what_is_to_come_holds_the_cut_offs_constant",
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Versions of 100,000 clients at 30 midnights, then one run of the tests."""
    bench.say(
        f"grading: {CLIENTS:,} clients ranked at {MIDNIGHTS} midnights, for {len(RANKS)} schemes"
    )
    for key in RANKS:
        exact = sum(compare(key, Random(f"{bench.seed}/{key}")))
        yield all_of(f"rank: {key}, midnights of {CLIENTS:,} clients as sorted", exact, MIDNIGHTS)
    yield from shown_by_one_run(bench, "grading_rank", CLAIMS)


def compare(key: str, random: Random) -> Iterator[bool]:
    """For each midnight whether the version is that of sorting; some measures move in between."""
    scheme, document = RANKS[key], RANK_DOCUMENTS[key]
    keys = scheme.tier_keys()
    values = [
        random.choice((0, random.randrange(5_000), 100 * random.randrange(9_000)))
        for _ in range(CLIENTS)
    ]
    for _ in range(MIDNIGHTS):
        for _ in range(CLIENTS // 50):
            values[random.randrange(CLIENTS)] = 100 * random.randrange(9_000)
        held = [random.randrange(len(keys)) for _ in range(CLIENTS)]
        people = [Member(str(n), value, held[n]) for n, value in enumerate(values)]
        random.shuffle(people)
        found = cut_offs(scheme, people)
        ranked = [Ranked(str(n), value, keys[held[n]]) for n, value in enumerate(values)]
        expected = version_of(document, ranked)
        yield (
            found is not None
            and expected is not None
            and dict(zip(keys[1:], found.enter, strict=True)) == expected.enter
            and dict(zip(keys[1:], found.stay, strict=True)) == expected.stay
            and {client: keys[tier] for client, tier in found.held.items()}
            == {client: tier for client, tier in expected.held.items() if tier != keys[0]}
        )
