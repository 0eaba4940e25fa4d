"""Declares sources (ADR 49)."""

from collections.abc import Collection
from typing import NamedTuple

from ingestion_service.domain.errors import Unknown
from ingestion_service.domain.sources import Source, as_itself, check_namespace, redeclared
from ingestion_service.ports import Store


class SourceSaved(NamedTuple):
    """The source as it is stored now, and whether this call declared it."""

    source: Source
    is_new: bool


def declare_source(wanted: Source, store: Store, unsaid: Collection[str] = ()) -> SourceSaved:
    """Declare a source or change its declaration; the fields named in `unsaid` stay as they are
    stored.

    Raises `Unknown` when the practice is not registered, and `Conflict` when what is fixed would
    change, when another source of the namespace is declared otherwise, or when there are too many.
    """
    if not store.practices({wanted.practice_id}):
        raise Unknown("unknown-practice", "no practice is registered under this id")
    store.take_declarations(wanted.practice_id)
    declared = store.sources_of(wanted.practice_id)
    stored = next((each for each in declared if each.source == wanted.source), None)
    known = stored
    if known is None and store.counted({wanted.key}):
        known = as_itself(wanted.key)
    source = wanted
    if known is not None:
        in_use = store.is_in_use(known.practice_id, known.namespace)
        source = redeclared(known, wanted, unsaid, in_use=in_use)
    check_namespace(source, declared)
    if source != stored:
        store.save_source(source)
    if stored is None:
        store.release_undeclared(source.key)
    return SourceSaved(source, stored is None)
