"""Declares sources (ADR 49)."""

from collections.abc import Collection
from typing import NamedTuple

from ingestion_service.domain.errors import Conflict, Unknown
from ingestion_service.domain.sources import (
    OF_PERSONAL_KEYS,
    Source,
    as_itself,
    check_namespace,
    redeclared,
)
from ingestion_service.ports import Store


class SourceSaved(NamedTuple):
    """The source as it is stored now, and whether this call declared it."""

    source: Source
    is_new: bool


def declare_source(wanted: Source, store: Store, unsaid: Collection[str] = ()) -> SourceSaved:
    """Declare a source or change its declaration; the fields named in `unsaid` stay as they are
    stored.

    Raises `Unknown` when the practice is not registered, and `Conflict` when what is fixed would
    change, when another source of the namespace is declared otherwise, when personal ids would be
    stored as they are, or when there are too many.
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
    if source.client_key == "personal" and store.personal is None:
        raise Conflict(
            "no-identity-key",
            "this deployment has no key to hash personal client ids with: let its operator set"
            " RAPPORT_IDENTITY_KEY, or declare the source `opaque` and send pseudonyms",
            "/client_key",
        )
    check_namespace(source, declared)
    _check_personal(source, declared, store)
    if source != stored:
        store.save_source(source)
    if stored is None:
        store.release_undeclared(source.key)
    return SourceSaved(source, stored is None)


def _check_personal(source: Source, declared: Collection[Source], store: Store) -> None:
    """Raise `Conflict` where personal ids are stored as they are, or would be."""
    if source.client_key != "personal":
        webhook = store.secrets.webhook(source.key)
        if webhook is not None and webhook.adapter in OF_PERSONAL_KEYS:
            raise Conflict(
                "client-key-opaque",
                "its webhook knows clients by e-mail or phone: leave it `personal`, or end the"
                " webhook first (DELETE /v1/sources/{source}/webhook)",
                "/client_key",
            )
        return
    namespaces = {each.namespace for each in declared if each.client_key == "personal"}
    if source.namespace in namespaces:
        return
    if store.is_in_use(source.practice_id, source.namespace):
        raise Conflict(
            "namespace-in-use",
            "clients are known by ids of this namespace as they are: declare another namespace, and"
            " register them by that",
            "/namespace",
        )
