"""What other systems' signals change: flags that keep messages back, and consents (ADR 52)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from outreach_service.domain.care import (
    STATEMENTS,
    CareWord,
    Flag,
    FlagKey,
    FlagState,
    flag_of,
    follow,
)
from outreach_service.domain.care_gaps import GAP, Numbered, gap_flag, last_missing, with_signals
from outreach_service.domain.consents import ConsentStatement, Recording
from outreach_service.domain.generations import Client, Span
from outreach_service.handlers.preferences import record_statements
from outreach_service.ports.store import Store

RECORDED_BY = "care-signals"
"""Who recorded a statement that came by the bus."""


class HeardCare(NamedTuple):
    """What came of a batch's signals of care: the words whose statement's id stands for another
    statement, which were not added, and the gaps that have opened."""

    refused: Sequence[CareWord]
    gaps: Sequence[Flag]


def hear_care(
    store: Store,
    words: Sequence[CareWord],
    cases: Sequence[Flag],
    statements: Sequence[tuple[CareWord, ConsentStatement]],
    numbered: Sequence[Numbered] = (),
) -> HeardCare:
    """Save what signals of care and cases say, add statements of consent, and take note of which
    signals have come.

    Locks the clients first, so that a claim reads all of it or none.
    """
    known = store.care.came({each.client for each in numbered}) if numbered else {}
    came = with_signals(known, numbered)
    with_gaps = [
        client
        for client in came
        if last_missing(came[client]) or last_missing(known.get(client, ()))
    ]
    clients = {*with_gaps, *(each.key[:2] for each in words), *(each.key[:2] for each in cases)}
    # In the order of all locks of clients: by practice and slash.
    for practice_id in sorted({client[0] for client in clients}, key=lambda each: f"{each}/"):
        store.lock_clients(practice_id, {each for of, each in clients if of == practice_id})
    _save_flags(store, words, cases)
    if came:
        store.care.save_came(came)
    at = {each.client: each.accepted_at for each in numbered}
    gaps = [(client, came[client], at[client]) for client in sorted(with_gaps)]
    refused = [word for word, said in statements if not _is_added(store, word, said)]
    return HeardCare(refused, _save_gaps(store, gaps) if gaps else ())


def _save_gaps(
    store: Store, gaps: Sequence[tuple[Client, tuple[Span, ...], datetime]]
) -> list[Flag]:
    """Save what is missing, or is no longer; the gaps that have opened."""
    known = store.care.find([(*client, GAP) for client, _, _ in gaps])
    flags = [gap_flag(client, came, known.get((*client, GAP)), at) for client, came, at in gaps]
    store.care.save(flags)
    were_open = {key for key, flag in known.items() if flag.state is FlagState.OPEN}
    return [each for each in flags if each.state is FlagState.OPEN and each.key not in were_open]


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
