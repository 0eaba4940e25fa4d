"""What the use cases need of declared sources: a part of the store."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.sources import Source, SourceKey


class Undeclared(NamedTuple):
    """A source of which so many records wait until it is declared, or are being moved on since;
    the oldest waits since `waits_since`."""

    source: str
    waiting: int
    waits_since: datetime | None


class Hashing(Protocol):
    """Makes what is stored of a personal client id."""

    def hashed(self, practice_id: str, namespace: str, text: str, region: str | None) -> str | None:
        """The same for every spelling of one e-mail address or phone number, and useless without
        the key; None for a text that is neither. A number without a country code is dialled in
        `region` (ISO 3166-1)."""


class SourceStore(Protocol):
    """The declarations of practices, within one transaction (ADR 49)."""

    @property
    def personal(self) -> Hashing | None:
        """Hashes personal client ids; None where the deployment has no key for that."""

    def sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Source]:
        """Those of these sources that are declared."""

    def sources_of(self, practice_id: PracticeId) -> list[Source]:
        """All declared sources of the practice, by name."""

    def hold_declarations(self, practice_ids: Collection[PracticeId]) -> None:
        """Let nobody declare a source of these practices before the transaction ends. Taken before
        everything else that is locked, so that no two transactions wait for each other."""

    def take_declarations(self, practice_id: PracticeId) -> None:
        """Let nobody declare a source of the practice, or hold its declarations, before the
        transaction ends."""

    def is_in_use(self, practice_id: PracticeId, namespace: str) -> bool:
        """Whether the practice has a client in this namespace."""

    def save_source(self, source: Source) -> None:
        """Insert the declaration or change it."""

    def fix_sources(self, keys: Collection[SourceKey]) -> None:
        """Note that something of these declared sources is known from now on."""

    def counted(self, keys: Collection[SourceKey]) -> set[SourceKey]:
        """Those of these sources of which the ledger has events."""

    def await_declaration(
        self, records: Sequence[tuple[SourceKey, SourceRecord]], now: datetime
    ) -> None:
        """Keep records, sealed whole, until their sources are declared, in this order. The
        declarations of their practices are held."""

    def release_undeclared(self, key: SourceKey) -> None:
        """The source is declared: what waits for that may be moved."""

    def lock_declared(self) -> SourceKey | None:
        """The source that is declared by now of whose waiting records none was moved for the
        longest time, locked; None where there is none that nobody else moves."""

    def move_undeclared(self, key: SourceKey, limit: int, now: datetime) -> int:
        """Move up to `limit` of the first records of a locked source to the end of the queue of its
        practice, which is locked, as deferred at `now`; how many."""

    def identities(self, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, ClientId]:
        """The clients of those of these identities that have one."""

    def hold_identities(self, practice_ids: Collection[PracticeId]) -> None:
        """Let nobody attach an identity of these practices before the transaction ends. Taken after
        declarations, and before objects and clients."""

    def take_identities(self, practice_id: PracticeId) -> None:
        """Let nobody else attach an identity of the practice, or hold its identities."""

    def attach(self, keys: Collection[IdentityKey], client_id: ClientId) -> None:
        """Give identities that have no client this one. Raises `TryLater` when another transaction
        has just given one of them a client."""

    def save_payer(self, payer: IdentityKey, client: IdentityKey) -> None:
        """Store that who has the identity `payer` pays for a client of the same practice."""

    def payers(self, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, list[IdentityKey]]:
        """For those of these identities that pay for somebody: the clients' identities, sorted; the
        first hundred."""


class SourceReads(Protocol):
    """What the API shows of sources."""

    def declared_sources(self, practice_id: PracticeId) -> list[Source]:
        """All declared sources of the practice, by name."""

    def declared_source(self, key: SourceKey) -> Source | None:
        """A declared source; None where it is not declared."""

    def undeclared(self, practice_id: PracticeId) -> list[Undeclared]:
        """The sources of the practice of which records wait, by name: a thousand at most."""
