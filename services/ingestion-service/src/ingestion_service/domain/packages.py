"""Packages and vouchers: what was bought, used and refunded of one, and whose it is (ADR 55).

A booking or payment counts for the package that it names, by what it counts for itself: so a
package is a function of the set of the events, too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from ingestion_service.domain.facts import ClientId, IdentityKey, SourceFact, SourceObjectKey
from ingestion_service.domain.standings import Counted, PackageStanding, Standing, Teller

MOST_PAYMENTS: Final = 50
"""How many payments a package may have. When it turns out to be another client's, the money of all
is told anew in one transaction."""


class Units(NamedTuple):
    """What is bought, used and refunded of a package."""

    bought: int = 0
    used: int = 0
    refunded: int = 0


class KnownPackage(NamedTuple):
    """A package as it is shown: whose it is, units that were bought and refunded, hours used."""

    client_id: ClientId | None
    bought: int
    used: int
    refunded: int


def units(effect: Iterable[Counted]) -> Mapping[str, Units]:
    """What a booking or payment that counts for this comes to for its package: an hour that took
    place is used, units of a payment that stands are bought."""
    found: dict[str, Units] = {}
    for kind, one, _ in effect:
        codes = dict(one.attributes)
        if "package_id" not in codes:
            continue
        package_id, number = str(codes["package_id"]), int(codes.get("units", 0))
        known = found.get(package_id, Units())
        if kind == "completed":
            found[package_id] = known._replace(used=known.used + one.number)
        elif kind == "settled":
            found[package_id] = known._replace(bought=known.bought + number)
        elif kind == "refunded":
            found[package_id] = known._replace(refunded=known.refunded + number)
    return found


def differences(
    before: Iterable[Mapping[str, Units]], after: Mapping[str, Units]
) -> Iterator[tuple[str, Units]]:
    """By how much a fact changes each package, given what the objects that it is about, one by one,
    came to before it, and what the object that they are came to after it."""
    sums = {package_id: Counter(each._asdict()) for package_id, each in after.items()}
    for one in before:
        for package_id, each in one.items():
            sums.setdefault(package_id, Counter()).subtract(each._asdict())
    for package_id, sum_ in sums.items():
        if any(sum_.values()):
            yield package_id, Units(**sum_)


def with_units(known: Standing, more: Units) -> Standing:
    """A package's standing after a fact has changed what counts for it."""
    package = known.package or PackageStanding()
    return known._replace(
        package=package._replace(
            bought=package.bought + more.bought,
            used=package.used + more.used,
            refunded=package.refunded + more.refunded,
        )
    )


def with_teller(known: Standing, fact: SourceFact) -> Standing:
    """A package's standing after a fact that names it."""
    package, client = known.package or PackageStanding(), fact.client
    teller = Teller(fact.order, client.namespace, client.external_id)
    if fact.object_kind == "booking":
        return known._replace(package=package._replace(hour=_earliest(package.hour, teller)))
    payments = package.payments
    if fact.external_object_id not in payments:
        payments = tuple(sorted((*payments, fact.external_object_id)))
    purchase = _earliest(package.purchase, teller)
    return known._replace(package=package._replace(purchase=purchase, payments=payments))


def owner_of(key: SourceObjectKey, known: Standing) -> IdentityKey | None:
    """Whose a package is: of the client of the earliest hour that names it, else of whom the
    earliest settlement names."""
    package = known.package or PackageStanding()
    teller = package.hour or package.purchase
    if teller is None:
        return None
    return IdentityKey(key.practice_id, teller.namespace, teller.external_id)


def known_package(known: Standing, client_id: ClientId | None) -> KnownPackage:
    """A package with this standing, of this client."""
    package = known.package or PackageStanding()
    return KnownPackage(client_id, package.bought, package.used, package.refunded)


def related(
    named: Iterable[SourceObjectKey], known: Mapping[SourceObjectKey, Standing]
) -> set[SourceObjectKey]:
    """All objects that facts about these objects may change, as far as it can be told from the
    standings that are known: the bookings that they are part of, the packages that those and they
    name, and the payments of these packages. It goes no further: the packages that those payments
    name besides are no concern of these facts."""
    primary = set(named)
    pending = list(primary)
    while pending:
        key = pending.pop()
        whole = known[key].part_of if key in known else None
        if whole is not None and (above := key._replace(external_id=whole)) not in primary:
            primary.add(above)
            pending.append(above)
    packages = {key for key in primary if key.kind == "package"}
    packages |= {each for key in primary for each in _packages_of(key, known)}
    payments = {
        package._replace(kind="payment", external_id=payment_id)
        for package in packages
        if package in known
        for payment_id in (known[package].package or PackageStanding()).payments
    }
    return primary | packages | payments


def _packages_of(
    key: SourceObjectKey, known: Mapping[SourceObjectKey, Standing]
) -> Iterator[SourceObjectKey]:
    package_id = known[key].package_id if key in known else None
    if package_id is not None:
        yield key._replace(kind="package", external_id=package_id)


def _earliest(one: Teller | None, other: Teller) -> Teller:
    return other if one is None or other.order < one.order else one
