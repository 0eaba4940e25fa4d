"""A reader of `client-activity.v1`, by the contracts' own rule: what each client counts for."""

from collections.abc import Iterable

from rapport_contracts.canonical import ActivityRecorded, GenerationOpened
from rapport_contracts.codec import decode
from rapport_contracts.generations import Client, fold, new_client
from rapport_contracts.topics import CLIENT_ACTIVITY
from tests.support.oracles.source_events import Counts, Place, net


def read(values: Iterable[bytes]) -> dict[str, Client[Counts]]:
    """Each client, after these records of the topic; those of a partition are in its order."""
    clients: dict[str, Client[Counts]] = {}
    for value in values:
        event = decode(CLIENT_ACTIVITY.name, b"a key that says nothing", value)
        if isinstance(event, GenerationOpened | ActivityRecorded):
            whose = event.data.client_id
            known = clients.get(whose) or new_client(Counts())
            clients[whose] = fold(known, event, _add, Counts())
    return clients


def _add(sums: Counts, event: ActivityRecorded) -> Counts:
    """Registrations are left out."""
    data = event.data
    if data.kind == "registered":
        return sums
    codes = tuple(sorted(data.attributes.items()))
    when = (data.cancelled_by, data.cancelled_at)
    place = Place(data.kind, data.on, data.starts_at, codes, *when)
    return net([sums, {place: (data.count, data.amount_minor)}])
