"""Conditions on rungs: `when` of a rule or a cell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scoring_service.domain.kernel.ladders import Rung, rung_keys
from scoring_service.domain.kernel.source import Place

Rungs = tuple[int, ...]
"""A rung of each ladder, in the order of the ladders."""
LadderRungs = Mapping[str, Sequence[Rung]]
"""The rungs of each ladder that a decision stands on, by the ladder's name."""


class Condition(NamedTuple):
    """For each ladder the rungs that fit, or None when each does."""

    allowed: tuple[frozenset[int] | None, ...]

    def fits(self, rungs: Rungs) -> bool:
        """Whether the rungs are among those allowed."""
        return all(
            fit is None or rung in fit for fit, rung in zip(self.allowed, rungs, strict=True)
        )


def always(ladders: LadderRungs) -> Condition:
    """The condition that every client meets."""
    return Condition((None,) * len(ladders))


def parse_condition(place: Place, ladders: LadderRungs) -> Condition:
    """`{"R": "P3M", "F": "2..", "N": ["vague", "unknown"]}`: a rung, that rung or better, or some
    of them; a ladder that is left out may stand anywhere. InvalidDocument."""
    wanted = place.entries()
    if not wanted:
        raise place.refused("must name a ladder; leave `when` out for what is true of everybody")
    refuse_unknown(wanted, ladders, "ladder")
    return Condition(
        tuple(
            parse_rungs(wanted[name], rung_keys(rungs)) if name in wanted else None
            for name, rungs in ladders.items()
        )
    )


def refuse_unknown(written: Mapping[str, Place], known: Iterable[str], what: str) -> None:
    """Refuses the first name of a ladder or rung that there is not. InvalidDocument."""
    names = tuple(known)
    for name, each in written.items():
        if name not in names:
            raise each.refused(f"no {what} is called {name!r}; there are: {', '.join(names)}")


def in_words(ladders: LadderRungs, rungs: Rungs) -> str:
    """The rungs by name, such as `R=P3M, F=none`."""
    pairs = zip(ladders.items(), rungs, strict=True)
    return ", ".join(f"{name}={of_ladder[rung].key}" for (name, of_ladder), rung in pairs)


def parse_rungs(place: Place, keys: tuple[str, ...]) -> frozenset[int]:
    """The rungs that fit: one, one or better (`P6M..`), or a list of some. InvalidDocument."""
    if isinstance(place.value, list):
        return frozenset(keys.index(each.word(keys)) for each in place.items())
    text = place.text()
    if text.endswith(".."):
        lowest = Place(text.removesuffix(".."), place.path).word(keys)
        return frozenset(range(keys.index(lowest), len(keys)))
    return frozenset((keys.index(place.word(keys)),))
