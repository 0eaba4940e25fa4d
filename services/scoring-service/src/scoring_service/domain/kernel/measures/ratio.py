"""The ratio of two sums within one window; not known where the second is nothing or less."""

from collections.abc import Sequence

from scoring_service.domain.kernel.cuts import NumberCuts, ratio
from scoring_service.domain.kernel.measures.measure import (
    Kind,
    Measure,
    any_kinds,
    columns_of,
    within,
)
from scoring_service.domain.kernel.measures.sums import sums
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import Slices


def _ratio(fields: Fields, cuts: NumberCuts) -> Measure:
    window = within(fields)
    part = Slices(columns_of(any_kinds(fields["of"])), [window])
    whole = Slices(columns_of(any_kinds(fields["to"])), [window], base=1)
    return sums([part, whole], cuts, _value)


def _value(totals: Sequence[int]) -> int | None:
    part, whole = totals
    return ratio(part, whole) if whole > 0 else None


RATIO = Kind("ratio", _ratio, required=("of", "to"), optional=("within",), may_be_unknown=True)
"""The first sum divided by the second, such as paid by the hour."""
