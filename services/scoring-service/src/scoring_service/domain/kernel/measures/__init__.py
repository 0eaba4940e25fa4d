"""The kinds of measures: a file for each, and an entry here."""

from collections.abc import Mapping
from typing import Final

from scoring_service.domain.kernel.measures.ahead import AHEAD
from scoring_service.domain.kernel.measures.attribute import ATTRIBUTE
from scoring_service.domain.kernel.measures.count_after import COUNT_AFTER
from scoring_service.domain.kernel.measures.days_since import DAYS_SINCE
from scoring_service.domain.kernel.measures.gap_multiple import GAP_MULTIPLE
from scoring_service.domain.kernel.measures.keys import BEST, DISTINCT
from scoring_service.domain.kernel.measures.measure import Kind
from scoring_service.domain.kernel.measures.ratio import RATIO
from scoring_service.domain.kernel.measures.slices import CHANGE, VARIATION
from scoring_service.domain.kernel.measures.sums import COUNT, NET, OWED, SUM

KINDS: Final[Mapping[str, Kind]] = {
    "ahead": AHEAD,
    "attribute": ATTRIBUTE,
    "best": BEST,
    "change": CHANGE,
    "count": COUNT,
    "count_after": COUNT_AFTER,
    "days_since": DAYS_SINCE,
    "distinct": DISTINCT,
    "gap_multiple": GAP_MULTIPLE,
    "net": NET,
    "owed": OWED,
    "ratio": RATIO,
    "sum": SUM,
    "variation": VARIATION,
}
