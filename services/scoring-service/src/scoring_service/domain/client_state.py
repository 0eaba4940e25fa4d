"""All that scoring keeps of one client, and which of its numbers have come."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import Fact, Numbered
from scoring_service.domain.rule_result import RuleResult

MOST_GAPS = 1_000
"""Gaps that one client's sequence may have; of more the oldest is given up."""

Gap = tuple[int, int]
"""Sequences that have not arrived: the first and the last of them."""


class Stretch(NamedTuple):
    """From which sequence on, up to the next stretch, an incarnation numbered a client's facts."""

    first_sequence: int
    incarnation: str | None


class OpenCause(NamedTuple):
    """The facts so far of a source event of which more are to come; the digest does not have them.
    `on_day` is the business day on which the first of them came."""

    on_day: date
    facts: tuple[Fact, ...]


@dataclass(slots=True)
class ClientState:
    """All that scoring keeps of one client between batches.

    `zone` is empty until the first fact, which brings it. `missing` are the gaps below
    `last_sequence`, or up to it where that fact was refused, ascending. `stretches`, ascending, say
    which incarnation gave out which sequences. Two sequences, if not None, say since when the
    digest is incomplete, until the client is rebuilt: `first_skipped_sequence` is the least one
    whose record was not known or that was given up; `first_repeated_sequence` the least one that
    another incarnation gave out again, or as one of a generation that has been replaced.

    `tier` (an index into the rulebook's tiers) and `score` (hundredths) are as of `assessed_on`, a
    local day that never falls; all three are None or 0 until the first assessment. `version` and
    `effective_at` are those of the last change. Before `review_at` nothing need be said if nothing
    happens, nor ever if it is None; true while `reviewed`, stale until the next `review` otherwise.
    `review` sets it to the very instant; facts that can only put that off leave it, and it is then
    early (ADR 14). `open_cause` is a source event that had not ended with the batch; `review_at` is
    then the least instant at which a watermark closes it. `held_at` is not None while the client is
    due and its practice is held: where the practice stood when the client was brought there.
    Equal to `review_at` it says that the client keeps a tier meanwhile (`domain/keeping.py`).
    `standing` is the one of `assessed_on` when it is at hand, None when it must be asked for, and
    from `kept_since` on no midnight lowers the tier; neither is kept between batches.
    """

    practice_id: str
    client_id: str
    partition: int
    zone: str
    generation: int = 1
    last_sequence: int = 0
    missing: tuple[Gap, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    first_skipped_sequence: int | None = None
    first_repeated_sequence: int | None = None
    digest: Digest = field(default_factory=Digest)
    assessed_on: date | None = None
    tier: int | None = None
    score: int = 0
    version: int = 0
    effective_at: datetime | None = None
    review_at: datetime | None = None
    reviewed: bool = False
    held_at: datetime | None = None
    open_cause: OpenCause | None = None
    standing: RuleResult | None = field(default=None, compare=False, repr=False)
    kept_since: datetime | None = field(default=None, compare=False, repr=False)

    def has(self, sequence: int) -> bool:
        """Whether a sequence has been folded or skipped before."""
        return sequence <= self.last_sequence and self._gap_of(sequence) is None

    def accepts(self, sequence: int, incarnation: str | None) -> bool:
        """Take note of a sequence; False when it has been folded or skipped before (R7).

        A gap is remembered; who comes late fills it, and is accepted once.
        """
        if sequence > self.last_sequence:
            if sequence > self.last_sequence + 1:
                self._open_gap(sequence - 1)
            self._reach(sequence, incarnation)
            return True
        place = self._gap_of(sequence)
        if place is None:
            return False
        first, last = self.missing[place]
        rest = [gap for gap in ((first, sequence - 1), (sequence + 1, last)) if gap[0] <= gap[1]]
        self._set_missing((*self.missing[:place], *rest, *self.missing[place + 1 :]))
        self._note_origin(sequence, incarnation)
        return True

    def miss(self, sequence: int, incarnation: str | None) -> None:
        """Take note that a sequence has come, and that what it says is missing all the same."""
        if sequence > self.last_sequence:
            self._open_gap(sequence)
            self._reach(sequence, incarnation)

    def repeats(self, record: Numbered) -> bool:
        """Whether a sequence that was accepted before came then from another incarnation of the
        sender's database, which was restored and gave it out anew; takes note of it then."""
        if (
            record.sequence > self.last_sequence
            or record.generation != self.generation
            or self._stretch_of(record.sequence).incarnation == record.incarnation
            or self._gap_of(record.sequence) is not None
        ):
            return False
        self.first_repeated_sequence = _least(self.first_repeated_sequence, record.sequence)
        return True

    def is_behind(self, record: Numbered) -> bool:
        """Whether a record of a generation that has been replaced comes from an incarnation that
        said nothing of the client's own: its sender was restored to a time before that one was
        opened; takes note of it then."""
        known = {stretch.incarnation for stretch in self.stretches}
        if record.incarnation is None or not known or record.incarnation in known:
            return False
        self.first_repeated_sequence = _least(self.first_repeated_sequence, record.sequence)
        return True

    def skip(self, sequence: int) -> None:
        """Take note that what a sequence says is not in the digest."""
        self.first_skipped_sequence = _least(self.first_skipped_sequence, sequence)

    def _reach(self, sequence: int, incarnation: str | None) -> None:
        known = self.stretches
        if not known or known[-1].incarnation != incarnation:
            self.stretches = (*known, Stretch(sequence if known else 1, incarnation))
        self.last_sequence = sequence

    def _stretch_of(self, sequence: int) -> Stretch:
        """The stretch of a sequence that is not above the last one."""
        return self.stretches[bisect_right(self.stretches, sequence, key=_first_sequence) - 1]

    def _note_origin(self, sequence: int, incarnation: str | None) -> None:
        """Take note of the incarnation that filled a gap."""
        owner = self._stretch_of(sequence).incarnation
        if owner == incarnation:
            return
        below = [one for one in self.stretches if one.first_sequence < sequence]
        above = [one for one in self.stretches if one.first_sequence > sequence]
        if sequence < self.last_sequence and sequence + 1 not in map(_first_sequence, above):
            above.insert(0, Stretch(sequence + 1, owner))
        every = [*below, Stretch(sequence, incarnation), *above]
        before = [None, *every]
        self.stretches = tuple(
            now
            for then, now in zip(before, every, strict=False)
            if then is None or then.incarnation != now.incarnation
        )

    def _open_gap(self, last: int) -> None:
        """Add the sequences above the last one, up to `last`, to what is missing."""
        first, gaps = self.last_sequence + 1, self.missing
        if gaps and gaps[-1][1] == self.last_sequence:
            first, gaps = gaps[-1][0], gaps[:-1]
        self._set_missing((*gaps, (first, last)))

    def _gap_of(self, sequence: int) -> int | None:
        """The place of the gap that a sequence lies in; None if it lies in none."""
        place = bisect_left(self.missing, (sequence + 1, 0)) - 1
        return place if place >= 0 and sequence <= self.missing[place][1] else None

    def _set_missing(self, gaps: tuple[Gap, ...]) -> None:
        if len(gaps) > MOST_GAPS:
            self.skip(gaps[0][0])
            gaps = gaps[1:]
        self.missing = gaps


def _first_sequence(stretch: Stretch) -> int:
    return stretch.first_sequence


def _least(known: int | None, sequence: int) -> int:
    return sequence if known is None else min(known, sequence)
