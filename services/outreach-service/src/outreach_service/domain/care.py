"""What other systems have noted of a client that keeps messages back: complaints, risks, and cases
that have come to their end (ADR 52)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from outreach_service.domain.terms import Purpose

FlagKey = tuple[str, str, str]
"""Practice id, client id, and the random id of what was noted."""


class FlagKind(StrEnum):
    """What was noted; a `gap` is that a signal has not come though a later one has."""

    COMPLAINT = "complaint"
    RISK = "risk"
    CASE = "case"
    GAP = "gap"


class FlagState(StrEnum):
    """Where it stands. A case is `ended` when its end was reached or somebody else goes on with it,
    and `closed` when it was broken off or taken back. A risk that its system has `cleared` still
    holds, until a person has `lifted` it."""

    OPEN = "open"
    CLEARED = "cleared"
    CLOSED = "closed"
    ENDED = "ended"
    LIFTED = "lifted"


class Flag(NamedTuple):
    """What was noted of a client, and where it stands `since` the time of the source; `sequence` is
    that of the record that said so."""

    practice_id: str
    client_id: str
    object_id: str
    kind: FlagKind
    state: FlagState
    since: datetime
    sequence: int

    @property
    def key(self) -> FlagKey:
        """Its row."""
        return self.practice_id, self.client_id, self.object_id


class CareWord(NamedTuple):
    """One record of `care-signals.v1`."""

    practice_id: str
    client_id: str
    sequence: int
    kind: str
    object_id: str
    occurred_at: datetime
    accepted_at: datetime
    source: str
    cause_id: str
    attributes: Mapping[str, Any]

    @property
    def key(self) -> FlagKey:
        """The row of what it is about."""
        return self.practice_id, self.client_id, self.object_id


_SAID: Final = {
    "complaint_opened": (FlagKind.COMPLAINT, FlagState.OPEN),
    "complaint_closed": (FlagKind.COMPLAINT, FlagState.CLOSED),
    "risk_noted": (FlagKind.RISK, FlagState.OPEN),
    "risk_cleared": (FlagKind.RISK, FlagState.CLEARED),
}
WITHDRAWN: Final = "withdrawn"
STATEMENTS: Final = {"consent_given": True, "consent_withdrawn": False}
"""The kinds that are statements of consent, and whether they grant."""


def flag_of(word: CareWord, known: Flag | None) -> Flag | None:
    """The flag that a record asks for; None where it asks for none. What another system withdraws
    ends a complaint, and of a risk says no more than that it was cleared."""
    if word.kind == WITHDRAWN:
        if known is None:
            return None
        is_risk = known.kind is FlagKind.RISK
        said = known.kind, FlagState.CLEARED if is_risk else FlagState.CLOSED
    elif word.kind in _SAID:
        said = _SAID[word.kind]
    else:
        return None
    return Flag(*word.key, *said, word.occurred_at, word.sequence)


def follow(known: Flag | None, new: Flag) -> Flag:
    """What holds after a record. The later by the source's time counts, of two of one time the one
    that was published later; what was lifted stays so until it is noted again."""
    if known is not None and (new.since, new.sequence) <= (known.since, known.sequence):
        return known
    is_lifted = known is not None and known.state is FlagState.LIFTED
    if is_lifted and new.state is FlagState.CLEARED:
        return new._replace(state=FlagState.LIFTED)
    return new


def lifted(flag: Flag) -> Flag | None:
    """A flag that a person lifts; None where nobody can: one that does not hold, and one of a
    complaint or a case, which its source ends."""
    is_for_a_person = flag.kind in {FlagKind.RISK, FlagKind.GAP}
    if not is_for_a_person or flag.state not in {FlagState.OPEN, FlagState.CLEARED}:
        return None
    return flag._replace(state=FlagState.LIFTED)


class Guards(NamedTuple):
    """What keeps messages of a client back. `missing`: it is not known whether more does."""

    complaint: bool = False
    risk: bool = False
    care_ended: bool = False
    missing: bool = False

    def stops(self, purpose: Purpose) -> bool:
        """Whether a complaint or a risk stops messages of this purpose: a complaint marketing, a
        risk all but service messages."""
        if self.risk:
            return purpose is not Purpose.SERVICE
        return self.complaint and purpose is Purpose.MARKETING


UNGUARDED: Final = Guards()


def guards_of(flags: Iterable[tuple[FlagKind, FlagState]]) -> Guards:
    """What a client's flags come to. Care has ended where a case has, and none is open."""
    every: Collection[tuple[FlagKind, FlagState]] = set(flags)
    risks = {(FlagKind.RISK, FlagState.OPEN), (FlagKind.RISK, FlagState.CLEARED)}
    return Guards(
        complaint=(FlagKind.COMPLAINT, FlagState.OPEN) in every,
        risk=not risks.isdisjoint(every),
        care_ended=(FlagKind.CASE, FlagState.ENDED) in every
        and (FlagKind.CASE, FlagState.OPEN) not in every,
        missing=(FlagKind.GAP, FlagState.OPEN) in every,
    )
