"""The door: of everything that sources send it is found here whose client numbers it speaks, before
it is accepted (ADR 49)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ingestion_service.domain.facts import EventKey, IdentityKey, PracticeId, SourceFact
from ingestion_service.domain.intake_results import (
    CONFLICT,
    DUPLICATE,
    PARKED,
    UNKNOWN_SOURCE,
    IntakeResult,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import Source, SourceKey, as_itself
from ingestion_service.handlers import accept, refusal
from ingestion_service.ports import Store
from ingestion_service.queues import NOBODY_WAITS, held_time

Declared = Mapping[SourceKey, Source]


def accept_sent(
    facts: Sequence[SourceFact],
    store: Store,
    times: Mapping[PracticeId, datetime] = NOBODY_WAITS,
) -> list[IntakeResult]:
    """Accept a batch of facts as `accept` does, each by the declaration of its source; one result
    for each, in the order given.

    One of a source that is not declared is rejected as `unknown-source`; where the source creates
    no clients, one whose identity has no client is parked. Raises what `accept` raises.
    """
    if not facts:
        return []
    declared = _declared({_source_key(fact) for fact in facts}, store)
    entered = _named(facts, declared, store)
    entered = _awaiting(entered, declared, store)
    accepted = iter(
        accept([each for each in entered if isinstance(each, SourceFact)], store, times)
    )
    results = [each if isinstance(each, IntakeResult) else next(accepted) for each in entered]
    _fix(facts, results, declared, store)
    return results


def _source_key(fact: SourceFact) -> SourceKey:
    return SourceKey(fact.practice_id, fact.source)


def _declared(keys: Collection[SourceKey], store: Store) -> Declared:
    """The declarations, which cannot change before the transaction ends: those that are fixed never
    do. A source that sent before sources were declared is declared as itself, and so is any of a
    practice that accepts them undeclared."""
    declared = store.sources(keys)
    unsure = {key.practice_id for key in keys if key not in declared or not declared[key].is_fixed}
    if not unsure:
        return declared
    store.hold_declarations(unsure)
    declared = store.sources(keys)
    missing = sorted(key for key in keys if key not in declared)
    if not missing:
        return declared
    counted, practices = store.counted(missing), store.practices({key[0] for key in missing})
    accepted = {
        key: as_itself(key, is_fixed=key in counted)
        for key in missing
        if key in counted or _accepts_any(practices.get(key.practice_id))
    }
    for source in accepted.values():
        store.save_source(source)
    return {**declared, **accepted}


def _accepts_any(practice: Practice | None) -> bool:
    return practice is not None and practice.undeclared_sources == "accept"


def _named(
    facts: Sequence[SourceFact], declared: Declared, store: Store
) -> list[SourceFact | IntakeResult]:
    """The facts, each with the namespace of its source. What a practice sends that is not
    registered goes on, to be refused for that."""
    undeclared = {fact.practice_id for fact in facts if _source_key(fact) not in declared}
    registered = store.practices(undeclared) if undeclared else {}
    entered: list[SourceFact | IntakeResult] = []
    for fact in facts:
        source = declared.get(_source_key(fact))
        if source is not None:
            entered.append(fact._replace(namespace=source.namespace))
        else:
            entered.append(UNKNOWN_SOURCE if fact.practice_id in registered else fact)
    return entered


def _awaiting(
    entered: Sequence[SourceFact | IntakeResult], declared: Declared, store: Store
) -> list[SourceFact | IntakeResult]:
    """The same, but facts of sources that create no clients are parked where nobody knows their
    client."""
    named = {
        each.identity: _source_key(each)
        for each in entered
        if isinstance(each, SourceFact) and each.identity is not None
    }
    asked = {
        key for key, of in named.items() if of in declared and not declared[of].creates_clients
    }
    unknown = _unknown(asked, store)
    if not unknown:
        return list(entered)
    waiting = [
        each for each in entered if isinstance(each, SourceFact) and each.identity in unknown
    ]
    judged = iter(_park(waiting, store))
    return [
        next(judged) if isinstance(each, SourceFact) and each.identity in unknown else each
        for each in entered
    ]


def _unknown(asked: Collection[IdentityKey], store: Store) -> set[IdentityKey]:
    """Those of these identities that have no client, and get none before the transaction ends."""
    unknown = set(asked) - store.identities(asked).keys() if asked else set()
    if unknown:
        store.hold_identities({key.practice_id for key in unknown})
        unknown -= store.identities(unknown).keys()
    return unknown


def _park(waiting: Sequence[SourceFact], store: Store) -> list[IntakeResult]:
    """Park facts until their clients are known; the result of each."""
    now = held_time(store)
    practices = store.practices({fact.practice_id for fact in waiting})
    keys = [fact.event_key for fact in waiting]
    accepted, parked = store.hashes(keys), dict(store.parked_hashes(keys))
    results: list[IntakeResult] = []
    new: list[SourceFact] = []
    for fact in waiting:
        result = refusal(fact, practices, now) or _as_known(fact, accepted, parked)
        if result is PARKED and fact.event_key not in parked:
            parked[fact.event_key] = fact.content_hash
            new.append(fact)
        results.append(result)
    if new:
        store.await_clients(new, now)
    return results


def _as_known(
    fact: SourceFact, accepted: Mapping[EventKey, bytes], parked: Mapping[EventKey, bytes]
) -> IntakeResult:
    content = fact.content_hash
    if fact.event_key in accepted:
        return DUPLICATE if accepted[fact.event_key] == content else CONFLICT
    return PARKED if parked.get(fact.event_key, content) == content else CONFLICT


def _fix(
    facts: Sequence[SourceFact], results: Sequence[IntakeResult], declared: Declared, store: Store
) -> None:
    """Of these sources something is known now."""
    known = {
        _source_key(fact)
        for fact, result in zip(facts, results, strict=True)
        if result.status in {"accepted", "parked"}
    }
    unfixed = [key for key in known if key in declared and not declared[key].is_fixed]
    if unfixed:
        store.fix_sources(unfixed)
