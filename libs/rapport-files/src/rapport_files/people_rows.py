"""Rows of a file as contacts and consents of clients."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from types import MappingProxyType
from typing import Final, NamedTuple

from rapport_contracts.ranges import NAME, zones
from rapport_files.instants import plain_instant, read_instant
from rapport_files.lines import Line, Rules
from rapport_files.options import Asked
from rapport_files.people_words import (
    ADDRESSES,
    CHANNELS,
    CONSENTS,
    LANGUAGES,
    PURPOSES,
    PURPOSES_TOLD,
)
from rapport_files.problems import WHOLE_LINE, Problem, Refused
from rapport_files.readers.rows import Row
from rapport_files.row_ids import in_words, row_id
from rapport_files.rows import Outcome, outcome
from rapport_files.said import Said, said
from rapport_files.words import meanings, plain_word

DEFAULT_LANGUAGE: Final = "zh-CN"
_LONGEST_NAME: Final = 200
_NAME: Final = re.compile(NAME)
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_CHANNELS: Final = meanings(CHANNELS)
_PURPOSES: Final = meanings(PURPOSES)
_CONSENTS: Final = meanings(CONSENTS)
_LANGUAGES: Final = meanings(LANGUAGES)
_HOURS: Final[Mapping[str, time]] = MappingProxyType(
    {"begin": time(0), "noon": time(12), "end": time(23, 59, 59)}
)


@dataclass(frozen=True, kw_only=True)
class Contact:
    """How a client may be reached on a channel, and since when if that is told."""

    line: int
    client: str = field(repr=False)
    channel: str
    address: str = field(repr=False)
    name: str = field(repr=False)
    language: str
    zone: str | None
    valid_from: datetime | None

    @property
    def kind(self) -> str:
        """As a preview counts it."""
        return f"contact.{self.channel}"

    @property
    def at(self) -> datetime | None:
        """When it counts from."""
        return self.valid_from


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A client's consent to a purpose on a channel, or its withdrawal. `proof` is where the proof
    is kept and which text was shown, as the line itself says it."""

    line: int
    client: str = field(repr=False)
    channel: str
    purpose: str
    granted: bool
    stated_at: datetime
    statement_id: str | None = field(repr=False)
    evidence: str = field(repr=False)
    text_version: str
    proof: tuple[str, str] = field(repr=False)

    @property
    def kind(self) -> str:
        """As a preview counts it."""
        return f"consent.{self.purpose}.{'given' if self.granted else 'withdrawn'}"

    @property
    def at(self) -> datetime:
        """When the client made it."""
        return self.stated_at

    def id_for(self, client_id: str) -> str:
        """The file's id, or the hash of what the line tells of this client: the same each time.

        It is made of the random id of the client, never of the file's: that may be a phone number,
        which could be found by trying all.
        """
        if self.statement_id is not None:
            return self.statement_id
        return row_id(in_words([client_id, *self.words()]))

    def words(self) -> list[object]:
        """What the line tells but for whom."""
        at = plain_instant(self.stated_at)
        return [self.channel, self.purpose, self.granted, at, *self.proof]


Told = Contact | Statement


class _Proof(NamedTuple):
    """What a row says of all its consents."""

    stated_at: datetime | None
    statement_id: str | None
    evidence: str | None
    text_version: str | None
    cells: tuple[str, str]


class PeopleRows:
    """Reads rows as contacts and consents."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._columns = rules.columns
        self._answers = rules.options.answers
        self._hour = _HOURS.get(self._answers.get("time_of_day", ""))

    def read(self, row: Row) -> Outcome[Told]:
        """What a row tells; nothing where anything stands against it."""
        line = Line(row, self._rules)
        told = self._told(line)
        for each in told:
            self._check(each, line)
        return outcome(line, told)

    def told_ids(self, row: Row) -> list[tuple[str, str]]:
        """What a row names that lines may contradict each other about, and what it tells of it."""
        return [named for each in self._told(Line(row, self._rules)) if (named := _named(each))]

    def close(self) -> None:
        """There is nothing to forget."""

    def _told(self, line: Line) -> list[Told]:
        client = line.id("client_id", "client")
        self._check_texts(line)
        granted = self._granted(line)
        channel = self._channel(line, is_needed=bool(granted))
        channels = self._consent_channels(line, channel) if granted else []
        proof = self._proof(line) if granted else _Proof(None, None, None, None, ("", ""))
        addresses = self._addresses(line, channel)
        contacts = self._contacts(line, client or "", addresses, proof.stated_at)
        is_silent = not any(line.text(name) for name in (*_TELLING_CELLS, *PURPOSES_TOLD))
        if is_silent and not line.is_bad:
            nothing = said("tells neither a contact nor a consent")
            line.add_problem(WHOLE_LINE, nothing, said("fill it in, or delete the line"))
        if client is None or line.is_bad:
            return []
        statements = self._statements(line, client, proof, granted, channels)
        return [*contacts, *statements]

    def _check_texts(self, line: Line) -> None:
        """Refuse what no service takes: one such text would stop all that is sent with it."""
        for name in self._columns.places.keys() - {"client_id"}:
            if _CONTROL.search(line.text(name)):
                line.add_problem(name, said("has a control character"), said("write it anew"))
        client = line.text("client_id")
        if client and not (len(client) <= _LONGEST_NAME and _NAME.fullmatch(client)):
            line.add_problem(
                "client_id",
                said("is no number of a client: at most 200 visible characters"),
                said("correct it"),
            )

    def _granted(self, line: Line) -> list[tuple[str, bool]]:
        """The purposes of the consents that the row tells, and whether each is granted."""
        told = [
            (purpose, line.optional(name, self._read_consent))
            for name, purpose in PURPOSES_TOLD.items()
        ]
        granted = line.optional("consent", self._read_consent)
        if granted is not None:
            has_column = self._columns.has("purpose")
            which = line.get("purpose", _read_purpose) if has_column else line.ask("purpose")
            told += [] if which is None else [(which, granted)]
        return [(purpose, granted) for purpose, granted in told if granted is not None]

    def _channel(self, line: Line, *, is_needed: bool) -> str | None:
        """The channel of the row's address, and of its consents in a file that says it."""
        is_needed = is_needed and self._columns.has("channel")
        return line.get("channel", _read_channel) if is_needed or line.text("address") else None

    def _consent_channels(self, line: Line, channel: str | None) -> Sequence[str]:
        if self._columns.has("channel"):
            return [] if channel is None else [channel]
        known = [channel for name, channel in ADDRESSES.items() if self._columns.has(name)]
        if len(known) == 1 and "consent_channel" not in self._answers:
            return known
        answer = line.ask("consent_channel")
        if answer == "all":
            return known or list(ADDRESSES.values())
        return [] if answer is None else [answer]

    def _proof(self, line: Line) -> _Proof:
        evidence, version = line.text("evidence"), line.text("text_version")
        return _Proof(
            stated_at=self._instant(line, "stated_at"),
            statement_id=line.code("statement_id"),
            evidence=line.optional("evidence", str) if evidence else line.ask("evidence"),
            text_version=line.optional("text_version", str)
            if version
            else line.ask("text_version"),
            cells=(evidence, version),
        )

    def _statements(
        self,
        line: Line,
        client: str,
        proof: _Proof,
        granted: Sequence[tuple[str, bool]],
        channels: Sequence[str],
    ) -> Iterable[Statement]:
        if proof.stated_at is None or proof.evidence is None or proof.text_version is None:
            return
        for purpose, is_granted in granted:
            for channel in channels:
                yield Statement(
                    line=line.number,
                    client=client,
                    channel=channel,
                    purpose=purpose,
                    granted=is_granted,
                    stated_at=proof.stated_at,
                    statement_id=self._id_of(proof.statement_id, channel, purpose),
                    evidence=proof.evidence,
                    text_version=proof.text_version,
                    proof=proof.cells,
                )

    def _id_of(self, told: str | None, channel: str, purpose: str) -> str | None:
        """Of a file whose rows may tell several statements each has an id of its own."""
        if told is None:
            return None
        is_one = self._columns.has("channel") and self._columns.has("purpose")
        return told if is_one else f"{told}-{channel}-{purpose}"

    def _contacts(
        self,
        line: Line,
        client: str,
        addresses: Sequence[tuple[str, str]],
        stated_at: datetime | None,
    ) -> list[Contact]:
        if not addresses:
            return []
        name = line.get("name", str)
        language = line.optional("language", _read_language) or DEFAULT_LANGUAGE
        zone = line.optional("zone", _read_zone)
        valid_from = self._since(line, stated_at)
        return [
            Contact(
                line=line.number,
                client=client,
                channel=channel,
                address=address,
                name=name or "",
                language=language,
                zone=zone,
                valid_from=valid_from,
            )
            for channel, address in addresses
        ]

    def _addresses(self, line: Line, channel: str | None) -> list[tuple[str, str]]:
        told = [*ADDRESSES.items()] + ([] if channel is None else [("address", channel)])
        return [(of, address) for name, of in told if (address := line.code(name)) is not None]

    def _since(self, line: Line, stated_at: datetime | None) -> datetime | None:
        """Since when the addresses of a row are the client's; None where nobody knows."""
        if line.text("valid_from"):
            return self._instant(line, "valid_from")
        answer = line.ask("since")
        if answer == "form":
            return stated_at
        if answer is None or answer == "unknown":
            return None
        try:
            return read_instant(answer, self._rules.zone, None, self._hour)
        except Asked as asked:
            line.asked.append(asked.key)
            return None

    def _instant(self, line: Line, name: str) -> datetime | None:
        zone, order = self._rules.zone, self._answers.get("day_order")
        return line.get(name, lambda text: read_instant(text, zone, order, self._hour))

    def _read_consent(self, text: str) -> bool | None:
        """Whether it is given; None where nobody has agreed. Raises Refused, Asked."""
        found = _word(text, _CONSENTS, said("is no word for a consent"), CONSENTS)
        if found != "no":
            return found == "given"
        if "no" not in self._answers:
            raise Asked("no")
        return False if self._answers["no"] == "withdrawn" else None

    def _check(self, told: Told, line: Line) -> None:
        named = _named(told)
        if named is None or named[0] not in self._rules.contradictions:
            return
        if isinstance(told, Statement):
            line.problems.append(_two_statements(told, self._columns.header("statement_id")))
        else:
            line.problems.append(_two_addresses(told))


_TELLING_CELLS: Final = (*ADDRESSES, "address", "consent")


def _named(told: Told) -> tuple[str, str] | None:
    """What is named, which only one thing can be, and what is told of it."""
    if isinstance(told, Statement):
        words = in_words([told.client, *told.words()])
        return None if told.statement_id is None else (f"statement {told.statement_id}", words)
    since = "" if told.valid_from is None else plain_instant(told.valid_from)
    key = in_words(["contact", told.client, told.channel, since])
    return key, in_words([told.address, told.name, told.language, told.zone])


def _two_statements(told: Statement, column: str) -> Problem:
    return Problem(
        told.line,
        column,
        said("names a statement that another line tells otherwise"),
        said("give each statement an id of its own"),
    )


def _two_addresses(told: Contact) -> Problem:
    return Problem(
        told.line,
        WHOLE_LINE,
        said("tells of the client's {channel} otherwise than another line", channel=told.channel),
        said("keep the line that holds, or say in valid_from since when each does"),
    )


def _word(
    text: str, known: Mapping[str, str], reason: Said, words: Mapping[str, Sequence[str]]
) -> str:
    """What a word means. Raises Refused."""
    found = known.get(plain_word(text))
    if found is None:
        raise Refused(reason, said("write one of these words: {words}", words=", ".join(words)))
    return found


def _read_channel(text: str) -> str:
    return _word(text, _CHANNELS, said("is no channel"), CHANNELS)


def _read_purpose(text: str) -> str:
    return _word(text, _PURPOSES, said("is no purpose of messages"), PURPOSES)


def _read_language(text: str) -> str:
    return _word(text, _LANGUAGES, said("is no language of messages"), LANGUAGES)


def _read_zone(text: str) -> str:
    if text not in zones():
        reason = said("is no time zone of the IANA database")
        raise Refused(reason, said("write such as {example}", example="Asia/Shanghai"))
    return text
