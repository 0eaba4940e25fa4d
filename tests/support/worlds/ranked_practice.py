"""A practice under a rank scheme on the kernel alone: ranked at each midnight, in effect at the
next."""

from collections.abc import Mapping
from datetime import date
from random import Random

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.moments import counted_to, day_of, midnight_of
from scoring_service.domain.kernel.rank import (
    CutOffs,
    DatedRank,
    RankScheme,
    cut_offs,
    member_of,
)
from scoring_service.domain.kernel.timeline import stand
from tests.support.generators.scheme_histories import told
from tests.support.oracles.ranks import Clients

Midnight = tuple[CutOffs | None, dict[str, str]]
"""The version in effect at a midnight, and everybody's standing."""


def facts_of(clients: Clients) -> dict[str, Digest]:
    """The kernel's facts of each client."""
    found = {}
    for client, known in clients.items():
        found[client] = facts = Digest()
        for fact in known:
            told(facts, fact)
    return found


def standing_at(dated: DatedRank, client: str, facts: Facts, moment: int) -> str:
    """The key of where a client stands at a moment."""
    scheme = dated.of(client)
    return scheme.tiers[stand(scheme, facts, day_of(moment), counted_to(moment)).tier].key


def midnights(
    scheme: RankScheme, clients: Mapping[str, Facts], first: date, days: int, random: Random
) -> list[Midnight]:
    """Each midnight's version and standings; the clients come in another order each time."""
    found: list[Midnight] = []
    version: CutOffs | None = None
    keys, names = scheme.tier_keys(), list(clients)
    for day in range(first.toordinal(), first.toordinal() + days):
        dated, moment = DatedRank(scheme, version), midnight_of(day)
        stands = {name: standing_at(dated, name, clients[name], moment) for name in names}
        found.append((version, stands))
        random.shuffle(names)
        members = []
        for name in names:
            held = keys.index(stands[name]) if stands[name] in keys else None
            members.append(member_of(scheme, name, clients[name], moment, held))
        version = cut_offs(scheme, [each for each in members if each is not None])
    return found
