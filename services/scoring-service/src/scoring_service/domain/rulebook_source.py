"""From a rulebook as it is written (JSON) to one that can be trusted, or the field at fault."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, TypeVar

from scoring_service.domain.periods import Period, is_longer
from scoring_service.domain.rulebook import IRON, Ladder, Recency, Rulebook, Tier, Windowed

Rung = TypeVar("Rung")

_FIXED = ("prospect", "iron")
_LONGEST_LIST = 100  # a person can still read that; every client is asked every rung (S20)
_LANGUAGES = ("en", "zh")
_DIMENSIONS = ("recency", "frequency", "monetary")


class InvalidRulebook(ValueError):
    """A rulebook that cannot be used: which field, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def parse_rulebook(source: object) -> Rulebook:
    """The rulebook in `source`, the decoded JSON of a file such as `rulebooks/rfm.json`.

    Checks that it is total and exclusive (C-01, C-02): every client has exactly one tier. Raises
    InvalidRulebook with the path of the first field at fault; unknown fields are faults, because
    a misspelt one would be a rule that silently never holds.
    """
    top = _object(source, "", ("kind", "key", "version", "tiers", "weights", *_DIMENSIONS, "bands"))
    if top["kind"] != "rfm":
        raise InvalidRulebook("kind", f"{top['kind']!r} is not a kind of rulebook: rfm")
    tiers = _tiers(top["tiers"])
    recency, frequency, monetary = _weights(top["weights"])
    return Rulebook(
        key=_text(top["key"], "key"),
        version=_integer(top["version"], "version", 1, 2**31 - 1),
        tiers=tiers,
        recency=_recency(top["recency"], recency),
        frequency=_windowed(top["frequency"], "frequency", frequency, "at_least"),
        monetary=_windowed(top["monetary"], "monetary", monetary, "at_least_minor"),
        bands=_bands(top["bands"], tiers),
    )


def _tiers(source: object) -> tuple[Tier, ...]:
    tiers = []
    for path, item in _items(source, "tiers"):
        entry = _object(item, path, ("key", "names"))
        names = _object(entry["names"], f"{path}.names", _LANGUAGES)
        labels = {language: _text(names[language], f"{path}.names") for language in _LANGUAGES}
        tiers.append(Tier(_text(entry["key"], f"{path}.key"), labels))
    keys = [tier.key for tier in tiers]
    if tuple(keys[:2]) != _FIXED or len(keys) < 3:
        raise InvalidRulebook("tiers", f"must run from low to high: {', '.join(_FIXED)}, others")
    if len(set(keys)) != len(keys):
        raise InvalidRulebook("tiers", "two tiers have one key")
    return tuple(tiers)


def _weights(source: object) -> tuple[int, int, int]:
    weights = _object(source, "weights", _DIMENSIONS)
    recency, frequency, monetary = (
        _integer(weights[name], f"weights.{name}", 0, 100) for name in _DIMENSIONS
    )
    total = recency + frequency + monetary
    if total != 100:
        raise InvalidRulebook("weights", f"must sum to 100, not {total}")
    return recency, frequency, monetary


def _recency(source: object, weight: int) -> Recency:
    entry = _object(source, "recency", ("levels",))
    levels = _levels(entry["levels"], "recency.levels", "within", _period_named)
    periods = [period for (_, period), _ in levels]
    for index, (shorter, longer) in enumerate(pairwise(periods), start=1):
        if not is_longer(longer, shorter):
            reason = "must be longer than the level before it on every day of the calendar"
            raise InvalidRulebook(f"recency.levels[{index}].within", reason)
    lines = [f"recency.within_{text}" for (text, _), _ in levels]
    ladder = Ladder(
        name="recency",
        input="last_completed_on",
        weight=weight,
        points=_upwards([points for _, points in levels], 0),
        lines=_upwards(lines, f"recency.beyond_{levels[-1][0][0]}"),
    )
    return Recency(ladder, tuple(reversed(periods)))


def _windowed(source: object, name: str, weight: int, bound: str) -> Windowed:
    entry = _object(source, name, ("window", "levels"))
    window = _period(entry["window"], f"{name}.window")
    levels = _levels(entry["levels"], f"{name}.levels", bound, _positive)
    cuts = [cut for cut, _ in levels]
    _must_fall(cuts, f"{name}.levels", bound)
    ladder = Ladder(
        name=name,
        input="completed_count" if name == "frequency" else "settled_less_refunded_minor",
        weight=weight,
        points=_upwards([points for _, points in levels], 0),
        lines=_upwards([f"{name}.at_least_{cut}" for cut in cuts], f"{name}.below_{cuts[-1]}"),
    )
    return Windowed(ladder, window, tuple(reversed(cuts)))


def _bands(source: object, tiers: Sequence[Tier]) -> tuple[int, ...]:
    keys, cuts = [], []
    for path, item in _items(source, "bands"):
        entry = _object(item, path, ("tier", "at_least"))
        keys.append(_text(entry["tier"], f"{path}.tier"))
        cuts.append(_hundredths(entry["at_least"], f"{path}.at_least"))
    expected = [tier.key for tier in reversed(tiers[IRON + 1 :])]
    if keys != expected:
        raise InvalidRulebook("bands", f"must name, best first, exactly: {', '.join(expected)}")
    _must_fall(cuts, "bands", "at_least")
    if cuts[-1] != 0:
        witness = f"a score of 0 has no tier: the last band must begin at 0, not {cuts[-1] / 100}"
        raise InvalidRulebook(f"bands[{len(cuts) - 1}].at_least", witness)
    return tuple(reversed(cuts))


def _levels(
    source: object, path: str, bound: str, read: Callable[[object, str], Rung]
) -> list[tuple[Rung, int]]:
    """The levels as they are written, best first, with their bound; points must fall."""
    levels = []
    for place, item in _items(source, path):
        entry = _object(item, place, (bound, "points"))
        points = _integer(entry["points"], f"{place}.points", 1, 100)
        levels.append((read(entry[bound], f"{place}.{bound}"), points))
    _must_fall([points for _, points in levels], path, "points")
    return levels


def _must_fall(values: Sequence[int], path: str, name: str) -> None:
    for index, (upper, lower) in enumerate(pairwise(values), start=1):
        if lower >= upper:
            raise InvalidRulebook(f"{path}[{index}].{name}", "must be below the one before it")


def _upwards(best_first: Sequence[Rung], below: Rung) -> tuple[Rung, ...]:
    return (below, *reversed(best_first))


def _object(source: object, path: str, fields: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(source, Mapping):
        raise InvalidRulebook(path or "rulebook", "must be an object")
    prefix = f"{path}." if path else ""
    for name in fields:
        if name not in source:
            raise InvalidRulebook(f"{prefix}{name}", "is missing")
    for name in source:
        if name not in fields:
            raise InvalidRulebook(f"{prefix}{name}", "is unknown")
    return source


def _items(source: object, path: str) -> list[tuple[str, object]]:
    if not isinstance(source, list) or not source:
        raise InvalidRulebook(path, "must be a list that is not empty")
    if len(source) > _LONGEST_LIST:
        raise InvalidRulebook(path, f"must hold {_LONGEST_LIST} at most")
    return [(f"{path}[{index}]", item) for index, item in enumerate(source)]


def _text(source: object, path: str) -> str:
    if not isinstance(source, str) or not source.strip():
        raise InvalidRulebook(path, "must be a text that is not empty")
    return source


def _integer(source: object, path: str, least: int, most: int) -> int:
    if not isinstance(source, int) or isinstance(source, bool) or not least <= source <= most:
        raise InvalidRulebook(path, f"must be an integer from {least} to {most}")
    return source


def _positive(source: object, path: str) -> int:
    return _integer(source, path, 1, 2**62)


def _hundredths(source: object, path: str) -> int:
    """A score of at most two decimals: an integer, or a text such as "62.50" (never a float)."""
    reason = 'must be 0 to 100: an integer, or a text of two decimals such as "62.50"'
    if not isinstance(source, int | str) or isinstance(source, bool):
        raise InvalidRulebook(path, reason)
    try:
        scaled = Decimal(source).scaleb(2)
    except InvalidOperation as error:
        raise InvalidRulebook(path, reason) from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or not 0 <= scaled <= 10_000:
        raise InvalidRulebook(path, reason)
    return int(scaled)


def _period(source: object, path: str) -> Period:
    try:
        return Period.parse(_text(source, path))
    except InvalidRulebook:
        raise
    except ValueError as error:
        raise InvalidRulebook(path, str(error)) from error


def _period_named(source: object, path: str) -> tuple[str, Period]:
    return _text(source, path), _period(source, path)
