"""Which column is what: the header, by our names or by other words for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rapport_files.options import COLUMN, Asked, BadAnswer, Options, Question, question
from rapport_files.said import Said, said
from rapport_files.words import MONEY, STATES, meanings, plain_word

HEADER_WITHIN = 10
"""A header comes within so many rows; above it stand a title and the like."""

_MONEY = meanings(MONEY)
_STATES = frozenset(map(plain_word, STATES))
_MONEY_IS: Mapping[str, Said] = MappingProxyType(
    {
        "due": said("what is due"),
        "paid": said("what was paid"),
        "net": said("what is left after fees"),
        "amount": said("an amount"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table: `places` of fields in a row, and `asked`, the questions for those
    that are in doubt. A field is in one of the two, or the file does not have it.

    `headers` are the file's own words for its fields, `unread` the letters of all other columns,
    and `is_state` says that the events are told as states.
    """

    line: int
    width: int
    places: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, Question] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    unread: Sequence[str] = ()
    is_state: bool = False

    def has(self, name: str) -> bool:
        """Whether the file has a column for a field, in doubt or not."""
        return name in self.places or name in self.asked

    def header(self, name: str) -> str:
        """The file's own word for a field, or the field's name."""
        return self.headers.get(name, name)

    def place(self, name: str) -> int | None:
        """Where a field stands in a row; None without a column. Raises Asked."""
        if name in self.asked:
            raise Asked(self.asked[name].key)
        return self.places.get(name)


def columns_of(line: int, header: Sequence[str], options: Options) -> Columns:
    """The columns of a header. Raises BadAnswer for an answer that names no column of it."""
    plain = [plain_word(each) for each in header]
    places: dict[str, int] = {}
    asked: dict[str, Question] = {}
    answered = _answered(header, options)
    read = set(answered.values())
    for name in options.vocabulary.columns:
        if name in answered:
            places[name] = answered[name]
            continue
        named = _candidates(name, plain, options.vocabulary.means)
        found = [at for at in named if at not in answered.values()]
        key = f"{COLUMN}{name}"
        choices = {_name(at, header): at for at in found}
        if len(found) > 1 or (name == "amount" and found and _is_doubtful(plain[found[0]])):
            asked[name] = question(
                key, {each: _choice(name, plain[at], at) for each, at in choices.items()}
            )
        elif found:
            places[name] = found[0]
        read.update(found)
    _settle_ids(places, asked)
    headers = {name: header[at] for name, at in places.items()}
    headers |= {name: " / ".join(each.choices) for name, each in asked.items()}
    unread = [letter(at) for at, each in enumerate(header) if each and at not in read]
    return Columns(
        line=line,
        width=len(header),
        places=places,
        asked=asked,
        headers=headers,
        unread=unread,
        is_state="event" in places and plain[places["event"]] in _STATES,
    )


def _candidates(name: str, plain: Sequence[str], means: Mapping[str, str]) -> list[int]:
    """Our own name goes before other words for the same column, but not where it is money: an
    amount beside what is due or paid is in doubt."""
    all_found = [at for at, each in enumerate(plain) if means.get(each) == name]
    own = [at for at in all_found if plain[at] == plain_word(name)]
    return own if own and name != "amount" else all_found


def _is_doubtful(plain: str) -> bool:
    return _MONEY.get(plain) in ("due", "net")


def _settle_ids(places: dict[str, int], asked: Mapping[str, Question]) -> None:
    """A file with one column of ids has it for bookings, payments and signals alike."""
    own = [name for name in ("booking_id", "payment_id", "signal_id") if name in places]
    if len(own) == 1 and "id" not in {*places, *asked}:
        places["id"] = places.pop(own[0])


def _name(place: int, header: Sequence[str]) -> str:
    """How an answer names a column: by its header, or by its letter where two have the same."""
    return header[place] if header.count(header[place]) == 1 else letter(place)


def _answered(header: Sequence[str], options: Options) -> dict[str, int]:
    """The places of the fields whose columns were answered; such a column may have a header that we
    do not know. Raises BadAnswer."""
    names = {letter(at): at for at, each in enumerate(header) if each}
    names |= {each: at for at, each in enumerate(header) if each}
    answered: dict[str, int] = {}
    for key, answer in options.answers.items():
        if not key.startswith(COLUMN):
            continue
        if answer not in names:
            raise BadAnswer(f"{key}: {answer} is no header of the file, and no letter of a column")
        answered[key.removeprefix(COLUMN)] = names[answer]
    return answered


def _choice(name: str, plain: str, place: int) -> Said:
    if name == "amount":
        meaning = _MONEY_IS[_MONEY.get(plain, "amount")]
        return said("column {letter}, {meaning}", letter=letter(place), meaning=meaning)
    return said("column {letter}", letter=letter(place))


def letter(place: int) -> str:
    """The name that a spreadsheet gives to a column; the first is 0."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
