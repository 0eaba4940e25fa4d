"""What is known of clients, in the memory of one test."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from outreach_service.domain.care import guards_of
from outreach_service.domain.generations import UNKNOWN_CLIENT
from outreach_service.domain.messages import COUNTED
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.records import ContactKey, DueMessage, Recipient, Situation
from tests.support.memory.outreach_rows import (
    Rows,
    permitted,
    rest_of,
    sent_message,
    shown_name,
    zones_named,
)


class MemoryClients:
    """See `Clients`; nothing needs a lock, since a test's transactions come one by one."""

    def __init__(self, rows: Rows, inputs_up_to: datetime | None, practice_id: str | None) -> None:
        self._rows = rows
        self._inputs_up_to = inputs_up_to
        self._practice_id = practice_id

    def lock_situations(
        self, due: Sequence[DueMessage], now: datetime, since: datetime
    ) -> Mapping[str, Situation]:
        return {each.message_id: self._situation(each, now, since) for each in due}

    def recipients(self, contacts: Sequence[ContactKey]) -> Mapping[ContactKey, Recipient]:
        return {
            key: Recipient(
                contact.address,
                contact.name,
                contact.language,
                shown_name(self._rows.practices[key.practice_id]),
            )
            for key, contact in self._rows.contacts.items()
            if (key.practice_id, key.client_id) in {each[:2] for each in contacts}
            if key.practice_id in self._rows.practices
        }

    def reachable(
        self, clients: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Collection[tuple[Channel, Purpose]]]:
        found: dict[tuple[str, str], set[tuple[Channel, Purpose]]] = {}
        for practice_id, client_id, channel, purpose in permitted(self._rows):
            client = (practice_id, client_id)
            if client in clients and self._practice_id in {None, practice_id}:
                found.setdefault(client, set()).add((channel, purpose))
        return found

    def is_known(self, practice_id: str, client_id: str) -> bool:
        known = {*self._rows.activity, *self._rows.standings}
        known |= {key for key, each in self._rows.generations.items() if each.current > 1}
        known |= {key[:2] for key in self._rows.contacts}
        known |= {each.subscription[:2] for each in self._rows.consents}
        return self._practice_id in {None, practice_id} and (practice_id, client_id) in known

    def _situation(self, message: DueMessage, now: datetime, since: datetime) -> Situation:
        client = practice_id, client_id = message.change.practice_id, message.change.client_id
        contacts = {
            key.channel: contact.blind_index
            for key, contact in self._rows.contacts.items()
            if key[:2] == client
        }
        return Situation(
            now=now,
            contacts=contacts,
            consents=frozenset(each[2:] for each in permitted(self._rows) if each[:2] == client),
            zone=self._rows.practices.get(practice_id, {}).get("zone") or "",
            client_zones=zones_named(self._rows, client),
            has_discreet_name=bool(self._rows.practices.get(practice_id, {}).get("discreet_name")),
            sent=tuple(
                sent_message(row)
                for key, row in self._rows.messages.items()
                if key.practice_id == practice_id and key.message_id != message.message_id
                if row.state in COUNTED and row.sent_at is not None and row.sent_at > since
                if row.planned.change.client_id == client_id
                or row.contact_index in contacts.values()
            ),
            booking_at=self._booking_at(client, now),
            activity_at=self._rows.activity.get((practice_id, client_id)),
            inputs_up_to=self._read_up_to(client),
            standing=self._rows.standings.get(client),
            guards=guards_of(
                (flag.kind, flag.state)
                for flag in self._rows.flags.values()
                if flag.key[:2] == client
            ),
            resting={
                key.channel: rest
                for key in self._rows.contacts
                if key[:2] == client
                for rest in [rest_of(self._rows, key, now)]
                if rest is not None
            },
        )

    def _read_up_to(self, client: tuple[str, str]) -> datetime | None:
        read = self._inputs_up_to
        if self._rows.generations.get(client, UNKNOWN_CLIENT).beside is not None:
            return None
        held = [each for each in self._rows.holds.values() if each.practice_id == client[0]]
        return read and min([read, *(each.stands_at for each in held)])

    def _booking_at(self, client: tuple[str, str], now: datetime) -> datetime | None:
        counts: Counter[datetime] = Counter()
        for each in self._rows.bookings.values():
            if (each.practice_id, each.client_id) == client and each.starts_at > now:
                counts[each.starts_at] += each.delta
        return min((at for at, count in counts.items() if count > 0), default=None)
