"""Random clients for any scheme: what its document reads, near its cuts and its windows' edges."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import scoring_service
from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.documents import compile_together
from scoring_service.domain.kernel.facts import Said
from scoring_service.domain.kernel.scheme import Scheme
from tests.support.generators.tier_histories import EDGES
from tests.support.oracles.schemes import MADE_OF, Deed, Document, Word

RULEBOOKS = Path(scoring_service.__file__).parent / "rulebooks"
_PATHS = sorted([*RULEBOOKS.glob("schemes/*.json"), *RULEBOOKS.glob("examples/*.json")])
DOCUMENTS: dict[str, Document] = {path.stem: json.loads(path.read_text("utf-8")) for path in _PATHS}
SCHEMES: dict[str, Scheme] = compile_together(DOCUMENTS.values())

_STARTS = (date(2024, 2, 29), date(2023, 12, 31), date(2025, 2, 28), date(2026, 8, 31))
_SIGNS = (1, 1, 1, 1, 1, -1)
_MONEY = frozenset({"settled", "refunded", "due", "paid"})
_PRICED = frozenset({"sold", "quoted"})


@dataclass(frozen=True)
class Arrival:
    """A fact and the day on which it became known."""

    day: date
    fact: Deed | Word


def told(facts: Digest, fact: Deed | Word) -> None:
    """Tell the kernel's facts what the oracle's are."""
    if isinstance(fact, Deed):
        facts.put(fact.kind, fact.on.toordinal(), fact.difference, fact.key)
    else:
        until = None if fact.until is None else fact.until.toordinal()
        facts.say(fact.name, Said(fact.on.toordinal(), fact.sequence, fact.value, until))


def history(document: Document, random: Random, most: int = 14) -> list[Arrival]:
    """Facts of one client in the order of their arrival: most at once, some late, some ahead."""
    start = random.choice(_STARTS) + timedelta(days=random.randrange(-3, 40))
    kinds, words = _reads(document)
    arrivals = []
    for number in range(random.randrange(most + 1)):
        on = start + timedelta(days=random.choice(EDGES) + random.choice((0, 0, 0, -1, 1)))
        late = random.choice((0, 0, 0, 0, 1, 40, 200, -1, -35))
        if words and (not kinds or random.random() < 0.4):
            fact: Deed | Word = _word(words, on, number, random)
        else:
            fact = _deed(random.choice(kinds), on, document, random)
        arrivals.append(Arrival(on + timedelta(days=late), fact))
    return sorted(arrivals, key=lambda each: each.day)


def _deed(kind: str, on: date, document: Document, random: Random) -> Deed:
    sign = random.choice(_SIGNS)
    if kind in _MONEY:
        cut = random.choice(_cuts(document) or [100])
        return Deed(kind, on, sign * max(1, random.choice((cut - 1, cut, cut + 1, cut // 2, 30))))
    key = ""
    if kind in _PRICED:
        key = str(max(1, random.choice(_cuts(document) or [100]) + random.choice((-1, 0, 1))))
    elif kind == "completed":
        key = random.choice(("", "single", "couple"))
    return Deed(kind, on, sign * random.choice((1, 1, 1, 2)), key)


def _word(words: dict[str, list[str]], on: date, number: int, random: Random) -> Word:
    name = random.choice(sorted(words))
    until = on + timedelta(days=random.choice((0, 1, 30, 365))) if random.random() < 0.2 else None
    value = random.choice([*words[name], *words[name], *words[name], "nonsense", None])
    return Word(name, on, number, value, until)


def _reads(document: Document) -> tuple[list[str], dict[str, list[str]]]:
    """The kinds of facts that a document reads, and the words of each attribute."""
    kinds: set[str] = set()
    words: dict[str, list[str]] = {}
    for ladder in _ladders(document):
        named = {*ladder.get("of", ()), *ladder.get("to", ()), *ladder.get("after", ())}
        named |= {ladder["measure"]} & {"net", "owed"}
        named |= {"booked"} if ladder["measure"] == "ahead" else set()
        kinds |= {part for kind in named for part in MADE_OF.get(kind, {kind: 1})}
        if ladder["measure"] == "attribute":
            words[ladder["name"]] = [w for rung in ladder["rungs"] for w in rung.get("is", ())]
            if "consent" in ladder:
                words[ladder["consent"]] = ["given", "given", "given", "withdrawn"]
    return sorted(kinds), words


def _cuts(document: Document) -> list[int]:
    """The amounts at which a document cuts."""
    return [
        cut
        for ladder in _ladders(document)
        if ladder["measure"] in ("net", "owed", "sum", "best")
        for rung in ladder["rungs"]
        for cut in (rung.get("at_least"), rung.get("above"))
        if cut
    ]


def _ladders(document: Document) -> Iterator[dict[str, Any]]:
    for ladder in document["ladders"].values():
        if ladder["measure"] == "tier_of":
            yield from _ladders(DOCUMENTS[ladder["scheme"]])
        else:
            yield ladder
