"""What is counted of accepted facts of which more is to be told than that."""

from types import MappingProxyType
from typing import Final

from ingestion_service.domain.intake_results import OVERDRAWS, TOOK_BACK_VISIT, IntakeResult
from rapport_runtime.metrics import PAYMENTS_OVERDRAWN, VISITS_TAKEN_BACK

REMARKS: Final = MappingProxyType(
    {TOOK_BACK_VISIT: VISITS_TAKEN_BACK, OVERDRAWS: PAYMENTS_OVERDRAWN}
)
"""Result -> what it adds to, by the fact's kind."""


def count_remark(kind: str, result: IntakeResult) -> None:
    """Count the result of a fact of this kind, once it is committed; most of them say nothing."""
    if result in REMARKS:
        REMARKS[result].labels(kind).inc()
