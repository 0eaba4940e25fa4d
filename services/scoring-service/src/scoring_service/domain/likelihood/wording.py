"""An estimate in words: for who works at the desk, and for the client themself (L5, C-21)."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final, Literal

from scoring_service.domain.kernel.source import LANGUAGES, Place
from scoring_service.domain.likelihood.estimates import (
    LEAST_CLIENTS,
    LEAST_DAYS,
    LEAST_RETURNED,
    Estimate,
    NotReady,
    WhyNot,
)
from scoring_service.domain.likelihood.histories import History

Language = Literal["en", "zh"]
Texts = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Reader, key, language -> the text, as `texts/likelihood.json` has them."""

_BASES: Final = ("never_came", "came_once", "came_again")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "staff": (
        *_BASES,
        "alive_likely",
        "alive_open",
        "alive_unlikely",
        "visits",
        "value",
        "footer",
    ),
    "client": (*_BASES, "footer"),
    "not_ready": ("too_few_clients", "too_few_returned", "too_short", "not_settled"),
}
_LIKELY: Final = 700
_UNLIKELY: Final = 300
"""From and below how many thousandths the desk reads that a client still comes, or not; ours."""
_LEAST: Final[Mapping[WhyNot, int]] = {
    "too_few_clients": LEAST_CLIENTS,
    "too_few_returned": LEAST_RETURNED,
    "too_short": LEAST_DAYS,
    "not_settled": 0,
}
_SPACE: Final[Mapping[Language, str]] = {"en": " ", "zh": ""}


def parse_texts(source: object) -> Texts:
    """The texts by reader, key and language; InvalidDocument with the path of one that is missing
    or unknown."""
    readers = Place(source).fields(tuple(_KEYS))
    texts: dict[str, dict[str, dict[str, str]]] = {}
    for reader, keys in _KEYS.items():
        of_reader = readers[reader].fields(keys)
        texts[reader] = {
            key: {each: of_reader[key].fields(LANGUAGES)[each].text() for each in LANGUAGES}
            for key in keys
        }
    return texts


def for_staff(
    texts: Texts,
    language: Language,
    found: Estimate,
    history: History | None,
    amount: str | None = None,
) -> str:
    """What the desk reads of a client: the history, how likely they come again, what to expect.

    `amount` is the expected value as it is shown, with its currency; None leaves it out.
    """
    figures = _dates(history) | {
        "returns": str(round((found.returns or 0) / 10)),
        "visits": f"{(found.visits or 0) / 100:.1f}",
        "amount": amount or "",
    }
    return _joined(texts["staff"], language, _staff_keys(found, amount), figures)


def for_client(texts: Texts, language: Language, found: Estimate, history: History | None) -> str:
    """What the client may read: their own dates and the plain reason, without a figure of the
    estimate, a tier or anything of others."""
    keys = [found.basis] if found.basis == "never_came" else [found.basis, "footer"]
    return _joined(texts["client"], language, iter(keys), _dates(history))


def why_not_ready(texts: Texts, language: Language, not_ready: NotReady) -> str:
    """Why a practice has no estimates, and what it lacks."""
    least = {"least": str(_LEAST[not_ready.why])}
    return _joined(texts["not_ready"], language, iter([not_ready.why]), least)


def _staff_keys(found: Estimate, amount: str | None) -> Iterator[str]:
    yield found.basis
    if found.basis == "never_came":
        return
    if found.alive is not None:
        yield _alive_key(found.alive)
    yield "visits"
    if amount is not None:
        yield "value"
    yield "footer"


def _alive_key(alive: int) -> str:
    if alive >= _LIKELY:
        return "alive_likely"
    return "alive_unlikely" if alive < _UNLIKELY else "alive_open"


def _dates(history: History | None) -> dict[str, str]:
    if history is None:
        return {}
    return {
        "days": str(history.days),
        "first": date.fromordinal(history.first).isoformat(),
        "last": date.fromordinal(history.last).isoformat(),
    }


def _joined(
    texts: Mapping[str, Mapping[str, str]],
    language: Language,
    keys: Iterator[str],
    figures: Mapping[str, str],
) -> str:
    return _SPACE[language].join(texts[key][language].format_map(figures) for key in keys)
