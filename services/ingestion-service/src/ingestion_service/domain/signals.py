"""What holds of a signal: what the latest of its events says, whatever the order of arrival."""

from typing import Final, get_args

from ingestion_service.domain.facts import SignalKind, SourceFact, SourceKind
from ingestion_service.domain.standings import (
    Contribution,
    Effect,
    KeptCode,
    KeptFact,
    Standing,
    latest,
)

ACTIVITY_OF: Final[dict[SourceKind, SignalKind]] = {kind: kind for kind in get_args(SignalKind)}
"""The kind of activity that a signal causes is its own."""


def with_fact(known: Standing, fact: SourceFact, kept: KeptFact) -> Standing:
    """A signal's standing after a fact. The latest fact says all: codes that it does not name are
    gone. Of a signal of care nothing is kept but which fact it is."""
    if latest(known.last, kept) is not kept:
        return known
    said = () if fact.is_care else fact.attributes
    codes = tuple(KeptCode(name, code, kept.order) for name, code in said)
    return known._replace(last=kept, codes=codes)


def effect_of_signal(known: Standing) -> Effect:
    """What a signal counts for: one activity of the kind of what holds; nothing once withdrawn, and
    of care in no case."""
    last = known.last
    if last is None or last.kind not in ACTIVITY_OF:
        return {}
    counted = Contribution(last.on, None, known.attributes, 1, last.amount_minor)
    return {ACTIVITY_OF[last.kind]: counted}
