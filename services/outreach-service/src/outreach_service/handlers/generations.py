"""What clients did: activity and bookings, by generation (ADR 48)."""

from collections.abc import Sequence

from outreach_service.domain.generations import UNKNOWN_CLIENT, Fact, Told, follow
from outreach_service.ports.records import ActivitySeen, BookingDelta
from outreach_service.ports.store import Store


def hear_facts(
    store: Store,
    seen: Sequence[ActivitySeen],
    deltas: Sequence[BookingDelta],
    told: Sequence[Told],
) -> Sequence[Told]:
    """Save activity and bookings of the first generation, and what is told of later ones: those are
    folded beside until they are complete. Returns what was of a generation that another has
    replaced, or is about to."""
    known = store.inputs.generations({each.client for each in told}) if told else {}
    followed = follow(known, told)
    more_seen, more_deltas = _of_current(followed.current)
    store.inputs.record_activity([*seen, *more_seen])
    store.inputs.record_bookings([*deltas, *more_deltas])
    changed = {
        client: each
        for client, each in followed.clients.items()
        if each != known.get(client, UNKNOWN_CLIENT)
    }
    if changed:
        store.inputs.save_generations(changed)
    return followed.superseded


def _of_current(told: Sequence[Told]) -> tuple[list[ActivitySeen], list[BookingDelta]]:
    seen, deltas = [], []
    for client, generation, fact in told:
        if not isinstance(fact, Fact):
            continue
        if fact.active_at is not None:
            seen.append(ActivitySeen(*client, fact.active_at, generation))
        if fact.booking is not None:
            activity_id, starts_at, delta = fact.booking
            deltas.append(BookingDelta(*client, activity_id, starts_at, delta, generation))
    return seen, deltas
