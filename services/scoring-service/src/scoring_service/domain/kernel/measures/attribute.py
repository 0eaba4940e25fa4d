"""What was last said of a client, as long as it holds and its consent is live."""

from collections.abc import Iterator, Sequence

from scoring_service.domain.kernel.cuts import WordCuts
from scoring_service.domain.kernel.facts import Facts, Said
from scoring_service.domain.kernel.measures.measure import Fall, Kind, Measure, Reading, changing
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of, midnight_of
from scoring_service.domain.kernel.source import Fields

GIVEN = "given"
"""The value of an attribute that is a consent, while it is live."""


class _Attribute:
    """The last word by `Said.order`; not known without one, after its end, without a live consent
    where one is asked for, whichever was said first, or where no rung has the word. The value is
    the word."""

    def __init__(self, name: str, consent: str | None, cuts: WordCuts) -> None:
        self._name = name
        self._consent = consent
        self._cuts = cuts

    def read(self, facts: Facts, today: int, last: int) -> Reading:
        word = self._word(facts, today, last)
        return self._rung(word), word, None

    def falls(
        self, facts: Facts, today: int, last: int, reading: Reading, _: int
    ) -> Iterator[Fall]:
        edges = sorted(set(self._edges(facts, today, last)))
        words = ((at, self._word(facts, day_of(at), max(last, counted_to(at)))) for at in edges)
        return changing(reading[0], ((at, self._rung(word)) for at, word in words))

    def _edges(self, facts: Facts, today: int, last: int) -> Iterator[int]:
        """Each moment after that position at which a word begins or ends."""
        of_consent = () if self._consent is None else facts.said(self._consent)
        for said in (*facts.said(self._name), *of_consent):
            if said.day > last:
                yield end_of(said.day)
            for day in self._ends(said):
                if day > today:
                    yield midnight_of(day)

    def _ends(self, said: Said) -> Iterator[int]:
        """The days at whose midnight a word holds no longer."""
        if said.until is not None:
            yield said.until + 1
        _, lasts = self._cuts.words.get(said.value or "", (0, None))
        if lasts is not None:
            yield lasts.expiry(said.day)

    def _word(self, facts: Facts, today: int, last: int) -> str | None:
        said = _last(facts.said(self._name), last)
        if said is None or said.value not in self._cuts.words:
            return None
        if any(day <= today for day in self._ends(said)):
            return None
        if self._consent is not None and not _is_live(facts.said(self._consent), today, last):
            return None
        return said.value

    def _rung(self, word: str | None) -> int:
        return self._cuts.unknown if word is None else self._cuts.words[word][0]


def _last(words: Sequence[Said], last: int) -> Said | None:
    return next((said for said in reversed(words) if said.day <= last), None)


def _is_live(words: Sequence[Said], today: int, last: int) -> bool:
    said = _last(words, last)
    if said is None or said.value != GIVEN:
        return False
    return said.until is None or today <= said.until


def _attribute(fields: Fields, cuts: WordCuts) -> Measure:
    consent = fields.get("consent")
    one = _Attribute(fields["name"].text(), None if consent is None else consent.text(), cuts)
    return Measure(one.read, one.falls, is_cheap=True)


ATTRIBUTE = Kind("word", _attribute, required=("name",), optional=("consent",), may_be_unknown=True)
"""A word, such as how clear a need is."""
