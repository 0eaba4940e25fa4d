"""What is published of signals of care: the whole of what holds, under a sequence of its own."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ingestion_service.domain.facts import Attributes, ClientId, PracticeId, SourceFact

_NAMESPACE: Final = uuid.UUID("0f2cf9a4-6a53-5b0e-8f0a-5b7a8f1d3c52")


class CareWord(NamedTuple):
    """What holds of one signal of care. `sequence` counts its client's from 1; `event_id` is the
    source's event that said it."""

    practice_id: PracticeId
    client_id: ClientId
    sequence: int
    kind: str
    object_id: str
    occurred_at: datetime
    accepted_at: datetime
    source: str
    event_id: str
    backfill: bool
    attributes: Attributes

    @property
    def client(self) -> tuple[PracticeId, ClientId]:
        """Whose it is."""
        return self.practice_id, self.client_id

    @property
    def id(self) -> str:
        """The id of the event that is published: the same on every replay."""
        said = f"{self.practice_id}\x00{self.source}\x00{self.event_id}"
        return str(uuid.uuid5(_NAMESPACE, said))


def word_of(
    fact: SourceFact, client_id: ClientId, object_id: str, accepted_at: datetime
) -> CareWord:
    """What a fact says, before it has its number."""
    return CareWord(
        fact.practice_id,
        client_id,
        0,
        fact.kind,
        object_id,
        fact.occurred_at,
        accepted_at,
        fact.source,
        fact.event_id,
        fact.backfill,
        fact.attributes,
    )


def how_many(words: Sequence[CareWord]) -> Mapping[tuple[PracticeId, ClientId], int]:
    """How many numbers each client needs."""
    return Counter(word.client for word in words)


def in_sequence(
    words: Sequence[CareWord], last: Mapping[tuple[PracticeId, ClientId], int]
) -> list[CareWord]:
    """The words, numbered in their order so that the last of each client has the number `last`."""
    next_of = {client: last[client] - count + 1 for client, count in how_many(words).items()}
    numbered = []
    for word in words:
        numbered.append(word._replace(sequence=next_of[word.client]))
        next_of[word.client] += 1
    return numbered
