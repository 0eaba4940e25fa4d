"""What was last said of a client, as long as it holds and its consent is live."""

from collections.abc import Iterator, Sequence

from scoring_service.domain.kernel.cuts import WordCuts
from scoring_service.domain.kernel.facts import Facts, Said
from scoring_service.domain.kernel.measures.measure import Fall, Kind, Reading, changing
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of, midnight_of
from scoring_service.domain.kernel.source import Fields

GIVEN = "given"
"""The value of an attribute that is a consent, while it is live."""


class Attribute:
    """The last word by (day, sequence); not known without one, after its end, without a live
    consent where one is asked for, whichever was said first, or where no rung has the word."""

    def __init__(self, name: str, consent: str | None, cuts: WordCuts) -> None:
        self._name = name
        self._consent = consent
        self._cuts = cuts

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`; the value is the word."""
        word = self._word(facts, moment)
        return Reading(self._rung(word), word)

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        edges = sorted({at for at in self._edges(facts) if at > moment})
        return changing(reading.rung, ((at, self._rung(self._word(facts, at))) for at in edges))

    def _edges(self, facts: Facts) -> Iterator[int]:
        """Each moment at which a word begins or ends."""
        for said in facts.said(self._name):
            yield end_of(said.day)
            yield from self._ends(said)
        if self._consent is not None:
            for said in facts.said(self._consent):
                yield end_of(said.day)
                yield from _ends(said)

    def _ends(self, said: Said) -> Iterator[int]:
        yield from _ends(said)
        _, lasts = self._cuts.words.get(said.value or "", (0, None))
        if lasts is not None:
            yield midnight_of(lasts.expiry(said.day))

    def _word(self, facts: Facts, moment: int) -> str | None:
        said = _last(facts.said(self._name), moment)
        if said is None or said.value not in self._cuts.words:
            return None
        if any(at <= moment for at in self._ends(said)):
            return None
        if self._consent is not None and not _is_live(facts.said(self._consent), moment):
            return None
        return said.value

    def _rung(self, word: str | None) -> int:
        return self._cuts.unknown if word is None else self._cuts.words[word][0]


def _last(words: Sequence[Said], moment: int) -> Said | None:
    last = counted_to(moment)
    return next((said for said in reversed(words) if said.day <= last), None)


def _ends(said: Said) -> Iterator[int]:
    if said.until is not None:
        yield midnight_of(said.until + 1)


def _is_live(words: Sequence[Said], moment: int) -> bool:
    said = _last(words, moment)
    if said is None or said.value != GIVEN:
        return False
    return said.until is None or day_of(moment) <= said.until


def _attribute(fields: Fields, cuts: WordCuts) -> Attribute:
    consent = fields.get("consent")
    return Attribute(fields["name"].text(), None if consent is None else consent.text(), cuts)


ATTRIBUTE = Kind("word", _attribute, required=("name",), optional=("consent",), may_be_unknown=True)
"""A word, such as how clear a need is."""
