"""Where everybody stands by the document of a rank scheme: sorted anew each midnight, no service
code.

What a day's cut-offs are: those who rank within a share of the population, by everybody's measure
at the midnight before, and the least measure of them; a share is rounded up, and ties go in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

from tests.support.oracles.schemes import Known, Look, rung_on

Document = dict[str, Any]
Clients = Mapping[str, Known]


@dataclass(frozen=True)
class Version:
    """Tier -> the measure that enters it, and that stays; who is between, and their tier."""

    enter: dict[str, int]
    stay: dict[str, int]
    held: dict[str, str]


@dataclass(frozen=True)
class Ranked:
    """A client of the population, with the measure and the standing that is held."""

    client: str
    value: int
    held: str


def version_of(document: Document, members: Sequence[Ranked]) -> Version | None:
    """The cut-offs of a midnight; None if too few have anything."""
    decision = document["decision"]
    values = sorted((each.value for each in members), reverse=True)
    if len([value for value in values if value > 0]) < decision["least"]:
        return None
    enter, stay, share = {}, {}, 0
    for entry in decision["shares"][:-1]:
        share += entry["percent"]
        within = Fraction(len(members) * share, 100)
        wider = within * (1 + Fraction(decision["band_percent"], 100))
        enter[entry["tier"]] = _last_of(values, ceil(within))
        stay[entry["tier"]] = _last_of(values, ceil(wider))
    held = {
        each.client: each.held
        for each in members
        if any(stay[tier] <= each.value < enter[tier] for tier in enter)
        and each.held not in ("outside", "unranked")
    }
    return Version(enter, stay, held)


def standing(
    document: Document, version: Version | None, client: str, known: Known, on: date, through: date
) -> str:
    """Where a client stands on a day, by the facts up to `through`."""
    if version is None:
        return "unranked"
    value, inside = measured(document, Look(known, on, through))
    if not inside:
        return "outside"
    best_first: list[str] = [entry["tier"] for entry in document["decision"]["shares"]]
    held = version.held.get(client, best_first[-1])
    for tier in best_first[:-1]:
        is_held = best_first.index(held) <= best_first.index(tier)
        if value >= (version.stay if is_held else version.enter)[tier]:
            return tier
    return best_first[-1]


def measured(document: Document, look: Look) -> tuple[int, bool]:
    """The net that is ranked, and whether the client is in the population."""
    decision = document["decision"]
    value = look.total(["net"], document["ladders"][decision["of"]]["within"])
    population = decision["population"]
    if population == "all":
        return value, True
    ladder = document["ladders"][population["ladder"]]
    return value, ladder["rungs"][rung_on(ladder, look, {})]["key"] == population["is"]


def midnights(
    document: Document, clients: Clients, first: date, days: int
) -> list[tuple[Version | None, dict[str, str]]]:
    """For each midnight the version in effect and everybody's standing.

    Nobody is ranked before `first`. What is ranked at a midnight takes effect at the next one.
    """
    found: list[tuple[Version | None, dict[str, str]]] = []
    coming: Version | None = None
    for number in range(days):
        on, version = first + timedelta(days=number), coming
        through = on - timedelta(days=1)
        stands = {
            client: standing(document, version, client, known, on, through)
            for client, known in clients.items()
        }
        looks = {
            client: measured(document, Look(known, on, through))
            for client, known in clients.items()
        }
        members = [
            Ranked(client, value, stands[client])
            for client, (value, inside) in looks.items()
            if inside
        ]
        coming = version_of(document, members)
        found.append((version, stands))
    return found


def _last_of(values: Sequence[int], number: int) -> int:
    """The measure of that many-th; of nothing or less, the least that is more than nothing."""
    return max(1, values[min(number, len(values)) - 1])
