"""Where the demo's practice is paid: another system than its desk, with client numbers of its own.

The till's source creates no clients: a payment waits until its number is attached to a client
(ADR 49). Most numbers are attached before the first event, every 50th at the noon after its first
payment.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from rapport_contracts.source import SourceEvent
from rapport_devkit.api_client import ApiClient
from rapport_devkit.sources.dataset import Dataset
from rapport_files.events import Origin

TILL: Final = "demo-till"
"""Its source, and the namespace of its numbers."""
_LATE_EVERY: Final = 50
_DIGITS: Final = 12


def number_of(client: str) -> str:
    """The till's number of a client whom the desk knows by `client`."""
    return f"till-{hashlib.sha256(client.encode()).hexdigest()[:_DIGITS]}"


def is_payment(event: SourceEvent) -> bool:
    """Whether the till tells the event."""
    return event.type.startswith("rapport.payment.")


def told_by_till(event: SourceEvent) -> SourceEvent:
    """A payment as the till tells it, by its own numbers; any other event as it is."""
    if not is_payment(event):
        return event
    told: dict[str, Any] = {"source": TILL}
    if event.subject is not None:
        told["subject"] = number_of(event.subject)
    payer = getattr(event.data, "payer", None)
    if payer is not None:
        told["data"] = event.data.model_copy(update={"payer": number_of(payer)})
    return event.model_copy(update=told)


class Numbers:
    """Whom the practice knows by which number, and when it learns of it.

    `late` counts the clients who paid before their number at the till was attached, `waited` the
    payments that waited for that.
    """

    def __init__(self, origin: Origin, dataset: Dataset) -> None:
        self._desk = origin.source
        self._due = _first_payments(dataset, dataset.clients()[::_LATE_EVERY])
        self.late = len(self._due)
        self.waited = 0

    def known(self, client: str) -> list[dict[str, str]]:
        """The identities of a client by which the practice knows them now."""
        identities = [{"namespace": self._desk, "external_id": client}]
        if client not in self._due:
            identities.append({"namespace": TILL, "external_id": number_of(client)})
        return identities

    def attach(self, ingestion: ApiClient, on: date) -> None:
        """At noon of a day, when all that was sent before has been read: attach the numbers of
        those who have paid. Raises ApiProblem."""
        due = [client for client, paid_on in self._due.items() if paid_on < on]
        if due:
            self.waited += parked(ingestion)
        for client in due:
            del self._due[client]
            ingestion.put("/v1/clients", {"identities": self.known(client)})


def parked(ingestion: ApiClient) -> int:
    """How many events of the practice wait for their client. Raises ApiProblem."""
    return sum(source["parked"] for source in ingestion.get("/v1/sources")["items"])


def _first_payments(dataset: Dataset, clients: Sequence[str]) -> dict[str, date]:
    """The day of the first payment, of those of these clients who have paid before the last day."""
    first: dict[str, date] = {}
    for on, events in dataset.calendar():
        for event in events:
            subject = event.subject
            if subject in clients and subject and is_payment(event) and on < dataset.last_on:
                first.setdefault(subject, on)
    return first
