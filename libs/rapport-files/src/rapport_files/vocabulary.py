"""What a kind of file speaks of: the columns that it may have, and what may be asked about it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from rapport_files.words import COLUMNS, EVENTS, MONEY, meanings, plain_word


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The words of a kind of file.

    `columns` has other headers by field, `money` those of `amount` by what they say it is. A row
    with the most of `telling` is the header; a sheet is a table when a row names all fields of one
    of `tables`. `questions` are those that may be asked, and `words` what a word of one's own may
    mean.
    """

    columns: Mapping[str, Sequence[str]]
    telling: frozenset[str]
    tables: Sequence[frozenset[str]]
    questions: Sequence[str]
    money: Mapping[str, Sequence[str]] = field(default_factory=dict)
    words: Collection[str] = ()

    @cached_property
    def means(self) -> Mapping[str, str]:
        """Each header, as `plain_word` gives it -> the field."""
        return MappingProxyType(
            {**meanings(self.columns), **dict.fromkeys(meanings(self.money), "amount")}
        )

    def fields(self, cells: Sequence[str]) -> set[str]:
        """The fields that a row names, if it is a header."""
        return {self.means[each] for each in map(plain_word, cells) if each in self.means}

    def is_table(self, first: Sequence[Sequence[str]]) -> bool:
        """Whether a sheet with these first rows is one of this kind."""
        return any(table <= found for found in map(self.fields, first) for table in self.tables)

    def header_place(self, first: Sequence[Sequence[str]]) -> int:
        """The first row that has the most of the columns of which a file tells."""
        counts = [len(self.fields(row) & self.telling) for row in first]
        return counts.index(max(counts)) if counts else 0


HAPPENINGS = Vocabulary(
    columns=COLUMNS,
    money=MONEY,
    telling=frozenset({"client_id", "happened_at", "event", "id", "booking_id", "starts_at"}),
    tables=(frozenset({"client_id", "happened_at"}), frozenset({"client_id", "starts_at"})),
    questions=("told_as", "day_order", "refunds", "two_numbers", "moved"),
    words=EVENTS,
)
"""Bookings and payments: what happened, or how bookings are now."""
