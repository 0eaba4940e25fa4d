"""Which numbers of a client's have come, and from whom, as the values of columns."""

import re

from scoring_service.domain.client_state import Gap, Stretch

_BOUND = re.compile(r"\d+")


def gaps_of(multirange: str) -> tuple[Gap, ...]:
    """The gaps in the text of a multirange, such as {[3,4),[7,10)}: 3, and 7 to 9."""
    if multirange == "{}":
        return ()
    bounds = [int(bound) for bound in _BOUND.findall(multirange)]
    return tuple((first, end - 1) for first, end in zip(bounds[::2], bounds[1::2], strict=True))


def multirange(gaps: tuple[Gap, ...]) -> str:
    """The text of a multirange of gaps."""
    return f"{{{','.join(f'[{first},{last}]' for first, last in gaps)}}}" if gaps else "{}"


def stretches_of(text: str) -> tuple[Stretch, ...]:
    """The stretches in a text such as "1: 8:0a1b2c3d": up to 7 without an incarnation."""
    pairs = (one.split(":") for one in text.split())
    return tuple(Stretch(int(first), digits or None) for first, digits in pairs)


def text_of(stretches: tuple[Stretch, ...]) -> str:
    """The text that `stretches_of` reads."""
    return " ".join(f"{first}:{digits or ''}" for first, digits in stretches)
