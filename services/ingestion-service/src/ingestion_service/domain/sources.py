"""A declared source: whose client numbers it speaks, and whether it may make a client (ADR 49)."""

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

from ingestion_service.domain.errors import Conflict
from ingestion_service.domain.facts import PracticeId

ClientKeyKind = Literal["opaque", "personal"]
"""What a source's client ids are: numbers of its own, or e-mail addresses and phone numbers."""

PERSONAL: Final = "personal:"
"""How the stored form of a personal client id begins; the rest is a hash."""

MOST_SOURCES: Final = 200
"""Of a practice."""

MOST_PAID_FOR: Final = 100
"""Clients of one payer."""

OF_PERSONAL_KEYS: Final = frozenset({"calcom"})
"""Adapters of webhooks whose clients are known by e-mail address or phone number."""

FIXED: Final = ("namespace", "client_key", "creates_clients")
"""What can no longer change when something of the source is known."""


class SourceKey(NamedTuple):
    """The identity of a source: its name within its practice."""

    practice_id: PracticeId
    source: str


class Source(NamedTuple):
    """A source as its practice has declared it. `zone` (IANA) is that of times without an offset in
    its files, `currency` (ISO 4217) that in which it tells amounts. `is_fixed`: an event of it was
    accepted or parked."""

    practice_id: PracticeId
    source: str
    title: str
    kind: str
    namespace: str
    client_key: ClientKeyKind = "opaque"
    creates_clients: bool = True
    zone: str | None = None
    currency: str | None = None
    is_fixed: bool = False

    @property
    def key(self) -> SourceKey:
        """The identity of the source."""
        return SourceKey(self.practice_id, self.source)


def as_itself(key: SourceKey, *, is_fixed: bool = True) -> Source:
    """What a source counts as that has sent events before it was declared."""
    return Source(
        key.practice_id,
        key.source,
        title=key.source,
        kind="other",
        namespace=key.source,
        is_fixed=is_fixed,
    )


def agreed(source: Source, others: Sequence[Source]) -> Source:
    """The source with what the others of its namespace are declared with (`check_namespace`)."""
    other = next((each for each in others if each.namespace == source.namespace), None)
    if other is None:
        return source
    return source._replace(client_key=other.client_key, creates_clients=other.creates_clients)


def redeclared(known: Source, wanted: Source, unsaid: Collection[str], *, in_use: bool) -> Source:
    """What the known source becomes: `wanted`, but fields named in `unsaid` stay as they are.

    `in_use`: there is a client in its namespace. Raises `Conflict` when what is fixed would change.
    """
    changed = wanted._replace(
        is_fixed=known.is_fixed, **{field: getattr(known, field) for field in unsaid}
    )
    if known.is_fixed or in_use:
        for field in FIXED:
            if getattr(changed, field) != getattr(known, field):
                raise Conflict(
                    "source-is-fixed",
                    f"`{field}` cannot change: clients are known by this source's ids already;"
                    " leave the field out, or declare a source of another name and send by that"
                    " from now on",
                    f"/{field}",
                )
    return changed


def check_namespace(source: Source, others: Sequence[Source]) -> None:
    """Raise `Conflict` when another source of the same namespace is declared otherwise, or when
    there are too many."""
    for other in others:
        if other.source == source.source or other.namespace != source.namespace:
            continue
        for field in ("client_key", "creates_clients"):
            if getattr(other, field) != getattr(source, field):
                raise Conflict(
                    "namespace-differs",
                    f"another source of this namespace is declared with another `{field}`; declare"
                    " the same here, or another namespace",
                    f"/{field}",
                )
    names = {other.source for other in others}
    if source.source not in names and len(names) >= MOST_SOURCES:
        raise Conflict(
            "too-many-sources",
            f"a practice declares at most {MOST_SOURCES} sources; use one of those that are"
            " declared",
        )
