"""Which facts of a batch are new, which wait, and which contradict what is known."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ingestion_service.domain.chains import Chains
from ingestion_service.domain.facts import EventKey, IdentityKey, SourceFact, SourceObjectKey
from ingestion_service.domain.intake_results import (
    ACCEPTED,
    CHAIN_TOO_LONG,
    CONFLICT,
    DUPLICATE,
    OTHER_CLIENT,
    OTHER_CLIENT_REPLACED,
    OTHER_REFUNDS,
    PARKED,
    TOO_MANY_PAYMENTS,
    IntakeResult,
)
from ingestion_service.domain.packages import MOST_PAYMENTS
from ingestion_service.domain.parked import NOTHING_WAITS, Room, Waiting
from ingestion_service.domain.payments import REFUNDS_TOLD
from ingestion_service.domain.standings import PackageStanding
from ingestion_service.ports import StoredObject

Owners = dict[SourceObjectKey, IdentityKey | None]


class Candidate(NamedTuple):
    """A fact that may be accepted, with its keys and hash, which are made once. The first of
    `object_keys` is the booking or payment that it is about; `client` is whom it names, None where
    it names nobody or somebody who is not known yet, and so is `payer`, where it says who paid;
    `package` is what it names."""

    fact: SourceFact
    event_key: EventKey
    object_keys: Sequence[SourceObjectKey]
    content_hash: bytes
    client: IdentityKey | None
    payer: IdentityKey | None
    package: SourceObjectKey | None


class Verdict(NamedTuple):
    """The result of each fact in its place; the new ones, each of which names its client now; those
    that wait; and the owners of the objects of both, None where all that is about one waits."""

    results: list[IntakeResult]
    new: list[Candidate]
    parked: list[Candidate]
    owners: Owners


def candidate(fact: SourceFact, awaited: Collection[IdentityKey] = ()) -> Candidate:
    """The fact with its keys; one of a client in `awaited` waits until that client is known."""
    keys = [fact.object_key]
    keys += [key for key in (fact.part_key, fact.replaced_key) if key is not None]
    client = None if fact.identity in awaited else fact.identity
    payer = None if fact.payer in awaited else fact.payer
    return Candidate(fact, fact.event_key, keys, fact.content_hash, client, payer, fact.package_key)


def first_named(candidates: Iterable[Candidate]) -> Owners:
    """The first known client of these facts, for each object; for packages nobody, since whose one
    is may change with each fact."""
    named: Owners = {}
    for each in candidates:
        if each.package is not None:
            named[each.package] = None
        for key in each.object_keys:
            named[key] = named.get(key) or each.client
    return named


def without_owner(
    candidates: Iterable[Candidate], objects: Mapping[SourceObjectKey, StoredObject]
) -> set[SourceObjectKey]:
    """The objects of which a fact without a known client is, and which had no owner before."""
    keys = {each.object_keys[0] for each in candidates if each.client is None}
    return {key for key in keys if objects[key].is_new or objects[key].owner is None}


def judge(
    judged: Sequence[IntakeResult | Candidate],
    hashes: Mapping[EventKey, bytes],
    objects: Mapping[SourceObjectKey, StoredObject],
    parked_hashes: Mapping[EventKey, bytes],
    waiting: Waiting = NOTHING_WAITS,
) -> Verdict:
    """The verdict on every fact; refusals stay as they are. `hashes` are of events that were
    accepted, `parked_hashes` of those without a known client that wait already, `waiting` is how
    many wait. Facts without a known client are judged after the others, which may tell whose their
    booking or payment is: so what waits after a batch has no owner after it."""
    judging = _Judging(hashes, objects, parked_hashes, waiting)
    results = [each if isinstance(each, IntakeResult) else PARKED for each in judged]
    new: dict[int, Candidate] = {}
    for index in sorted(range(len(judged)), key=lambda place: _rank(judged[place])):
        each = judged[index]
        if isinstance(each, IntakeResult):
            continue
        named = judging.named(each)
        results[index] = judging.result(named)
        if results[index] is ACCEPTED:
            new[index] = named
    parked = [
        each
        for each, result in zip(judged, results, strict=True)
        if isinstance(each, Candidate) and result is PARKED
    ]
    owners: Owners = {each.object_keys[0]: judging.owner(each.object_keys[0]) for each in parked}
    owners |= {key: one.fact.identity for one in new.values() for key in one.object_keys}
    owners |= {one.package: None for one in new.values() if one.package is not None}
    return Verdict(results, [new[index] for index in sorted(new)], parked, owners)


class _Judging:
    """What is known while the facts of a batch are judged one after the other."""

    def __init__(
        self,
        hashes: Mapping[EventKey, bytes],
        objects: Mapping[SourceObjectKey, StoredObject],
        parked_hashes: Mapping[EventKey, bytes],
        waiting: Waiting,
    ) -> None:
        self._hashes = dict(hashes)
        self._parked = dict(parked_hashes)
        self._room = Room(waiting)
        self._owners = {key: one.owner for key, one in objects.items() if not one.is_new}
        self._told = {key: one.standing.refunds_told for key, one in objects.items()}
        self._chains = Chains({key: one.standing for key, one in objects.items()})
        self._payments = {
            key: set((one.standing.package or PackageStanding()).payments)
            for key, one in objects.items()
            if key.kind == "package"
        }

    def named(self, each: Candidate) -> Candidate:
        """The fact with the client of its booking or payment, where it names none; where that is
        not known, with who paid."""
        if each.fact.external_id is not None:
            return each
        owner = self._owners.get(each.object_keys[0]) or each.payer
        if owner is None:
            return each
        fact = each.fact._replace(namespace=owner.namespace, external_id=owner.external_id)
        return each._replace(fact=fact, content_hash=fact.content_hash, client=owner)

    def owner(self, key: SourceObjectKey) -> IdentityKey | None:
        """Whose a booking or payment is by what was accepted; None while nothing was."""
        return self._owners.get(key)

    def result(self, each: Candidate) -> IntakeResult:
        """The result of a fact; what a new one says holds for those after it."""
        known = self._hashes.get(each.event_key)
        if known is not None:
            return DUPLICATE if known == each.content_hash else CONFLICT
        if self._waits_with_other_content(each):
            return CONFLICT
        identity = each.client
        if identity is None:
            return self._parked_or_refused(each)
        refusal = self._contradiction(each, identity)
        if refusal is not None:
            return refusal
        self._hashes[each.event_key] = each.content_hash
        self._owners.update(dict.fromkeys(each.object_keys, identity))
        key = each.object_keys[0]
        self._told[key] = self._told.get(key) or REFUNDS_TOLD.get(each.fact.kind)
        if each.fact.replaced_key is not None:
            self._chains.join(key, each.fact.replaced_key)
        if each.package is not None and each.fact.kind == "settled":
            self._payments[each.package].add(key.external_id)
        return ACCEPTED

    def _parked_or_refused(self, each: Candidate) -> IntakeResult:
        if each.event_key in self._parked:
            return PARKED
        refusal = self._room.refusal(each.object_keys[0])
        if refusal is not None:
            return refusal
        self._room.take(each.object_keys[0])
        self._parked[each.event_key] = each.content_hash
        return PARKED

    def _waits_with_other_content(self, each: Candidate) -> bool:
        waiting = self._parked.get(each.event_key)
        if waiting is None:
            return False
        nameless = each.fact._replace(external_id=None).content_hash
        return waiting not in {each.content_hash, nameless}

    def _contradiction(self, each: Candidate, identity: IdentityKey) -> IntakeResult | None:
        """What a fact says otherwise than those before it about the same booking or payment: whose
        it is, or how its refunds are told; or that its chain or its package has no end."""
        fact = each.fact
        key, replaced = each.object_keys[0], fact.replaced_key
        if (self._owners.get(key) or identity) != identity:
            return OTHER_CLIENT
        if replaced is not None and (self._owners.get(replaced) or identity) != identity:
            return OTHER_CLIENT_REPLACED
        if replaced is not None and self._chains.is_too_long(key, replaced):
            return CHAIN_TOO_LONG
        way = REFUNDS_TOLD.get(fact.kind)
        if way is not None and (self._told.get(key) or way) != way:
            return OTHER_REFUNDS
        if fact.kind == "settled" and self._has_too_many_payments(each.package, key.external_id):
            return TOO_MANY_PAYMENTS
        return None

    def _has_too_many_payments(self, package: SourceObjectKey | None, payment_id: str) -> bool:
        payments = set() if package is None else self._payments[package]
        return payment_id not in payments and len(payments) >= MOST_PAYMENTS


def _rank(each: IntakeResult | Candidate) -> int:
    """What names its client comes first, then what names who paid."""
    if isinstance(each, IntakeResult) or each.client is not None:
        return 0
    return 2 if each.payer is None else 1
