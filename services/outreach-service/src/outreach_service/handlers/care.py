"""What other systems' signals change: flags that keep messages back, and consents (ADR 52)."""

from collections.abc import Iterable, Sequence

from outreach_service.domain.care import STATEMENTS, CareWord, Flag, FlagKey, flag_of, follow
from outreach_service.domain.consents import ConsentStatement, Recording
from outreach_service.handlers.preferences import record_statements
from outreach_service.ports.store import Store

RECORDED_BY = "care-signals"
"""Who recorded a statement that came by the bus."""


def hear_care(
    store: Store,
    words: Sequence[CareWord],
    cases: Sequence[Flag],
    statements: Sequence[tuple[CareWord, ConsentStatement]],
) -> list[CareWord]:
    """Save what signals of care and cases say, and add statements of consent.

    Locks the clients first, so that a claim reads all of it or none. Returns the words whose
    statement's id stands for another statement: those are not added.
    """
    clients = {(each.practice_id, each.client_id) for each in words}
    clients |= {(each.practice_id, each.client_id) for each in cases}
    # In the order of all locks of clients: by practice and slash.
    for practice_id in sorted({client[0] for client in clients}, key=lambda each: f"{each}/"):
        store.lock_clients(practice_id, {each for of, each in clients if of == practice_id})
    _save_flags(store, words, cases)
    return [word for word, said in statements if not _is_added(store, word, said)]


def _save_flags(store: Store, words: Iterable[CareWord], cases: Sequence[Flag]) -> None:
    said = [word for word in words if word.kind not in STATEMENTS]
    keys = {each.key for each in said} | {each.key for each in cases}
    known = dict(store.care.find(keys)) if keys else {}
    found = dict(known)
    for word in said:
        if (new := flag_of(word, found.get(word.key))) is not None:
            found[word.key] = follow(found.get(word.key), new)
    for case in cases:
        found[case.key] = follow(found.get(case.key), case)
    changed: dict[FlagKey, Flag] = {
        key: flag for key, flag in found.items() if known.get(key) != flag
    }
    if changed:
        store.care.save(list(changed.values()))


def _is_added(store: Store, word: CareWord, said: ConsentStatement) -> bool:
    """Add a statement, as recorded when it was accepted; one that is there already changes
    nothing."""
    recording = Recording(word.accepted_at, RECORDED_BY)
    appended = record_statements(store, word.practice_id, [said], recording)
    return appended.kept.get(said.id) == said
