"""What source events count for, recomputed from the whole set of them, without any service code.

The rules are written here a second time. Events of one booking or payment are ordered by (time,
rank, id). A chain of `replaces` is one booking; it stands under the id of which it was last said
when the hour is, and only that id's cancellation counts. What was said of an outcome counts before
that the booking was made; a request counts where nothing else does; an assumption where the hour
had begun and nothing else is known of it. A refund or chargeback is what was said of it last.

Money counts for the client whose package it pays: that of the earliest event of a booking that
names it, else of the earliest settlement that does; else for the client that the payment names,
else for who paid.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Document = dict[str, Any]

_BOOKING = ("requested", "assumed", "created", "rescheduled", "no_show", "completed", "cancelled")
_PAYMENT = (
    *("settled", "refunded", "charged_back", "failed"),
    *("refunded_total", "refund_failed", "chargeback_reversed"),
)
_RANKS = {verb: rank for verbs in (_BOOKING, _PAYMENT) for rank, verb in enumerate(verbs)}
_CODES = ("counsellor_id", "service_code", "site", "product", "package_id", "units")


class Place(NamedTuple):
    """Where something counts: its kind, local day and hour, its codes, and who cancelled when."""

    kind: str
    on: date
    starts_at: datetime | None
    codes: tuple[tuple[str, Any], ...]
    cancelled_by: str | None = None
    cancelled_at: datetime | None = None


class Subject(NamedTuple):
    """A booking with its whole chain, or a payment; `events` by the source's time."""

    practice_id: str
    source: str
    noun: str
    events: Sequence[Document]


Counts = dict[Place, tuple[int, int]]
"""Place -> (count, minor units)."""


def subjects(documents: Iterable[Document]) -> list[Subject]:
    """The bookings and payments that these events are about."""
    by_source: dict[tuple[str, str, str], list[Document]] = defaultdict(list)
    for document in documents:
        noun = document["type"].split(".")[1]
        by_source[document["practiceid"], document["source"], noun].append(document)
    return [
        Subject(practice_id, source, noun, sorted(its, key=_order))
        for (practice_id, source, noun), events in by_source.items()
        for its in _chains(events, noun)
    ]


def counts(subject: Subject, zone: ZoneInfo) -> Counts:
    """What one booking or payment counts for."""
    if subject.noun == "booking":
        return _of_booking(subject.events, zone)
    return _of_payment(subject.events, zone)


class Units(NamedTuple):
    """What was bought, used and refunded of a package."""

    bought: int
    used: int
    refunded: int


def whose(subject: Subject, every: Iterable[Subject]) -> str | None:
    """For which client a booking or payment counts, by the source's id; None where nobody says."""
    named = next((each["subject"] for each in subject.events if "subject" in each), None)
    if subject.noun == "booking":
        return named
    settled = [event for event in subject.events if verb_of(event) == "settled"]
    package = dict(_codes(settled)).get("package_id")
    if package is not None:
        naming = [
            (one.noun == "payment", _order(event), _named_by(one, event))
            for one in every
            if (one.practice_id, one.source) == (subject.practice_id, subject.source)
            for event in one.events
            if one.noun == "booking" or verb_of(event) == "settled"
            if event["data"].get("package_id") == package
        ]
        return min(naming)[2]
    return named or next((_named_by(subject, event) for event in settled), None)


def packages(every: Iterable[Subject], zone: ZoneInfo) -> dict[str, Units]:
    """What all bookings and payments come to for each package that they name."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for subject in every:
        for place, (number, _) in counts(subject, zone).items():
            codes = dict(place.codes)
            if "package_id" in codes and place.kind in ("settled", "completed", "refunded"):
                which = ("settled", "completed", "refunded").index(place.kind)
                more = number if place.kind == "completed" else codes.get("units", 0)
                sums[codes["package_id"]][which] += more
    return {package: Units(*each) for package, each in sums.items() if any(each)}


def _named_by(subject: Subject, event: Document) -> str:
    """The client of an event: whom it names, else whom another one of the same booking or payment
    names, else who paid."""
    said = [each["subject"] for each in (event, *subject.events) if "subject" in each]
    return str(said[0] if said else event["data"]["payer"])


def verb_of(event: Document) -> str:
    """What an event says, such as `created`; `assumed` for a completion that nobody reported."""
    return "assumed" if event["data"].get("assumed") else str(event["type"]).split(".")[2]


def _chains(events: Sequence[Document], noun: str) -> list[list[Document]]:
    """The events of each booking or payment: ids that one event links are one."""
    chains: dict[str, list[str]] = {}
    for event in events:
        own = event["data"][f"{noun}_id"]
        for name in (own, event["data"].get("replaces", own)):
            chains.setdefault(name, [name])
        one, other = chains[own], chains[event["data"].get("replaces", own)]
        if one is not other:
            one += other
            chains |= dict.fromkeys(other, one)
    found: dict[int, list[Document]] = defaultdict(list)
    for event in events:
        found[id(chains[event["data"][f"{noun}_id"]])].append(event)
    return list(found.values())


def _order(event: Document) -> tuple[datetime, int, str]:
    return _instant(event["time"]), _RANKS[verb_of(event)], event["id"]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def _codes(events: Sequence[Document]) -> tuple[tuple[str, Any], ...]:
    """The last word on each code."""
    held = {name: each["data"][name] for each in events for name in _CODES if name in each["data"]}
    return tuple(sorted(held.items()))


def _last(events: Sequence[Document], *verbs: str) -> Document | None:
    return next((each for each in reversed(events) if verb_of(each) in verbs), None)


def _start(event: Document | None) -> datetime | None:
    text = None if event is None else event["data"].get("starts_at")
    return None if text is None else _instant(text)


def _of_booking(events: Sequence[Document], zone: ZoneInfo) -> Counts:
    hour = _last(events, "created", "rescheduled")
    current = None if hour is None else hour["data"]["booking_id"]
    valid = [
        each
        for each in events
        if verb_of(each) != "cancelled" or current in (None, each["data"]["booking_id"])
    ]
    said = _deciding(valid)
    assumed = _last(events, "assumed")
    if assumed is not None and _holds(assumed, said):
        said = assumed
    if said is None:
        return {}
    verb, codes = verb_of(said), _codes(events)
    if verb == "cancelled":
        return _cancelled(said, _start(hour), codes, zone)
    if verb in ("created", "rescheduled", "requested"):
        start = _start(said)
        kind = "requested" if verb == "requested" else "booked"
        return {Place(kind, _day(start or _instant(said["time"]), zone), start, codes): (1, 0)}
    kind = "no_show" if verb == "no_show" else "completed"
    return {Place(kind, _day(_instant(said["time"]), zone), None, codes): (1, 0)}


def _deciding(events: Sequence[Document]) -> Document | None:
    """The last word on a booking, assumptions left out."""
    word = _last(events, "rescheduled", "no_show", "completed", "cancelled")
    if word is not None and verb_of(word) in ("completed", "no_show"):
        return word
    word = _last(events, "created", "rescheduled", "cancelled")
    if word is None or verb_of(word) == "cancelled":
        return _last(events, "requested", "cancelled")
    return word


def _holds(assumed: Document, said: Document | None) -> bool:
    if said is None:
        return True
    start = _start(said)
    is_open = verb_of(said) in ("created", "rescheduled", "requested")
    return is_open and (start is None or start <= _instant(assumed["time"]))


def _cancelled(
    said: Document, start: datetime | None, codes: tuple[tuple[str, Any], ...], zone: ZoneInfo
) -> Counts:
    by = said["data"].get("cancelled_by")
    if by is None:
        return {}
    at = _instant(said["data"].get("cancelled_at", said["time"]))
    return {Place("cancelled", _day(at, zone), start, codes, by, at): (1, 0)}


def _of_payment(events: Sequence[Document], zone: ZoneInfo) -> Counts:
    arrivals = [event for event in events if verb_of(event) in ("settled", "failed")]
    settled = [event for event in arrivals if verb_of(event) == "settled"]
    if not settled or arrivals[-1] is not settled[-1]:
        return {}
    fell_through = "failed" in map(verb_of, arrivals[arrivals.index(settled[0]) :])
    on = _day(_instant(settled[-1 if fell_through else 0]["time"]), zone)
    codes = _codes(settled)
    paid = settled[-1]["data"]["amount_minor"]
    held: Counts = {Place("settled", on, None, codes): (1, paid)}
    number, amount, units = _gone_back(events)
    if number:
        package = tuple(each for each in codes if each[0] == "package_id")
        returned = (*package, ("units", units)) if units else ()
        held[Place("refunded", on, None, returned)] = (number, min(amount, paid))
    return held


def _gone_back(events: Sequence[Document]) -> tuple[int, int, int]:
    """How often, how much, and how many hours of a package."""
    said: dict[tuple[str, str], Document] = {}
    for event in events:  # the last one stays
        verb, data = verb_of(event), event["data"]
        if verb.startswith("refund") and verb != "refunded_total":
            said["refund", data.get("refund_id", event["id"])] = event
        elif verb.startswith("charge"):
            said["chargeback", data.get("chargeback_id", event["id"])] = event
    stand = [each["data"] for each in said.values() if "amount_minor" in each["data"]]
    total = _last(events, "refunded_total")
    if total is not None and total["data"]["amount_minor"]:
        stand.append(total["data"])
    return (
        len(stand),
        sum(each["amount_minor"] for each in stand),
        sum(each.get("units", 0) for each in stand),
    )


def net(held: Iterable[Mapping[Place, tuple[int, int]]]) -> Counts:
    """The sum of several, without what comes to nothing."""
    sums: dict[Place, list[int]] = {}
    for each in held:
        for place, (number, amount) in each.items():
            of_place = sums.setdefault(place, [0, 0])
            of_place[0] += number
            of_place[1] += amount
    return {place: (number, amount) for place, (number, amount) in sums.items() if number or amount}
