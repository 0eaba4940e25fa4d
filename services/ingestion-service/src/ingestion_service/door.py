"""The door: of everything that sources send it is found here whose client numbers it speaks, before
it is accepted (ADR 49)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ingestion_service.domain.facts import IdentityKey, PracticeId, SourceFact
from ingestion_service.domain.intake_results import (
    UNKNOWN_SOURCE,
    UNREADABLE_KEY,
    UNREADABLE_PAYER,
    IntakeResult,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import MOST_SOURCES, Source, SourceKey, agreed, as_itself
from ingestion_service.handlers import accept
from ingestion_service.ports import Store
from ingestion_service.ports.sources import Hashing
from ingestion_service.queues import NOBODY_WAITS
from ingestion_service.registering import personal_of

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
    return _accept(_hashed(_named(facts, declared, store), declared, store), declared, store, times)


def accept_again(
    facts: Sequence[SourceFact], store: Store, times: Mapping[PracticeId, datetime]
) -> list[IntakeResult]:
    """Accept facts that were parked, which have passed the door: one result for each, in the order
    given. Raises what `accept` raises."""
    if not facts:
        return []
    declared = _declared({_source_key(fact) for fact in facts}, store)
    return _accept(facts, declared, store, times)


def lets_in(key: SourceKey, store: Store) -> bool:
    """Whether events of a source are accepted as things stand: it is declared, it sent before
    sources were declared, or its practice accepts any."""
    return (
        bool(store.sources([key]))
        or bool(store.counted([key]))
        or _accepts_any(store.practices({key.practice_id}).get(key.practice_id))
    )


def _accept(
    entered: Sequence[SourceFact | IntakeResult],
    declared: Declared,
    store: Store,
    times: Mapping[PracticeId, datetime],
) -> list[IntakeResult]:
    sent = [each for each in entered if isinstance(each, SourceFact)]
    accepted = accept(sent, store, times, _awaited(sent, declared, store))
    _fix(sent, accepted, declared, store)
    results = iter(accepted)
    return [each if isinstance(each, IntakeResult) else next(results) for each in entered]


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
    return {**declared, **_declared_by_events(missing, store)}


def _declared_by_events(missing: Sequence[SourceKey], store: Store) -> dict[SourceKey, Source]:
    """The sources that their events declare; what has waited for that may be moved."""
    counted, practices = store.counted(missing), store.practices({key[0] for key in missing})
    accepted: dict[SourceKey, Source] = {}
    for practice_id in sorted({key.practice_id for key in missing}):
        others = store.sources_of(practice_id)
        for key in (each for each in missing if each.practice_id == practice_id):
            if key in counted:
                source = as_itself(key)
            elif _accepts_any(practices.get(practice_id)) and len(others) < MOST_SOURCES:
                source = agreed(as_itself(key, is_fixed=False), others)
            else:
                continue
            store.save_source(source)
            store.release_undeclared(key)
            accepted[key] = source
            others.append(source)
    return accepted


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


def _hashed(
    entered: Sequence[SourceFact | IntakeResult], declared: Declared, store: Store
) -> list[SourceFact | IntakeResult]:
    """The same, but personal client ids are hashed; nothing behind the door knows them."""
    owners = {
        each.practice_id
        for each in entered
        if isinstance(each, SourceFact) and _is_personal(each, declared)
    }
    if not owners:
        return list(entered)
    hashing, practices = personal_of(store), store.practices(owners)
    return [
        _without_person(each, practices[each.practice_id].region, hashing)
        if isinstance(each, SourceFact) and _is_personal(each, declared)
        else each
        for each in entered
    ]


def _is_personal(fact: SourceFact, declared: Declared) -> bool:
    source = declared.get(_source_key(fact))
    return source is not None and source.client_key == "personal"


def _without_person(
    fact: SourceFact, region: str | None, hashing: Hashing
) -> SourceFact | IntakeResult:
    def hashed(text: str | None) -> str | None:
        if text is None:
            return None
        return hashing.hashed(fact.practice_id, fact.namespace, text, region)

    subject, payer = hashed(fact.external_id), hashed(fact.details.payer)
    if subject is None and fact.external_id is not None:
        return UNREADABLE_KEY
    if payer is None and fact.details.payer is not None:
        return UNREADABLE_PAYER
    details = fact.details if payer is None else fact.details._replace(payer=payer)
    return fact._replace(external_id=subject, details=details)


def _awaited(sent: Sequence[SourceFact], declared: Declared, store: Store) -> set[IdentityKey]:
    """Whom facts of sources that create no clients name, though nobody knows them; or who paid,
    where they name nobody else."""
    named = {each.claimant: _source_key(each) for each in sent}
    asked = {
        key
        for key, of in named.items()
        if key is not None and of in declared and not declared[of].creates_clients
    }
    return _unknown(asked, store)


def _unknown(asked: Collection[IdentityKey], store: Store) -> set[IdentityKey]:
    """Those of these identities that have no client, and get none before the transaction ends."""
    unknown = set(asked) - store.identities(asked).keys() if asked else set()
    if unknown:
        store.hold_identities({key.practice_id for key in unknown})
        unknown -= store.identities(unknown).keys()
    return unknown


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
