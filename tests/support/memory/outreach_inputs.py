"""What the bus brings to outreach's stores in memory, besides tier changes."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from outreach_service.domain.generations import UNKNOWN_CLIENT, Beside, Client, Generations
from outreach_service.ports.records import ActivitySeen, BookingDelta, Hold
from tests.support.memory.keys import merge_key
from tests.support.memory.outreach_rows import Rows


class MemoryInputs:
    """See `Inputs`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def save_practice(self, practice: Mapping[str, Any]) -> None:
        known = self._rows.practices.get(practice["practice_id"])
        if known is None or known["said_at"] <= practice["said_at"]:
            self._rows.practices[practice["practice_id"]] = dict(practice)

    def save_key(self, key: Mapping[str, Any]) -> None:
        merge_key(self._rows.keys, key)

    def save_hold(self, hold: Hold) -> None:
        key = (hold.practice_id, hold.partition, hold.hold_id)
        known = self._rows.holds.get(key, hold)
        latest = max(known.stands_at, hold.stands_at)
        self._rows.holds[key] = hold._replace(stands_at=latest)

    def end_hold(self, hold: Hold) -> None:
        self._rows.holds.pop((hold.practice_id, hold.partition, hold.hold_id), None)

    def end_other_holds(self, incarnations: Mapping[int, str]) -> None:
        for hold in list(self._rows.holds.values()):
            if hold.incarnation not in {None, incarnations.get(hold.partition, hold.incarnation)}:
                self.end_hold(hold)

    def record_activity(self, seen: Collection[ActivitySeen]) -> None:
        for each in seen:
            key = (each.practice_id, each.client_id)
            if each.generation == self._current(key):
                self._rows.activity[key] = max(each.at, self._rows.activity.get(key, each.at))

    def record_bookings(self, deltas: Collection[BookingDelta]) -> None:
        for each in deltas:
            key = (each.practice_id, each.client_id, each.activity_id)
            if each.generation == self._current(key[:2]):
                self._rows.bookings.setdefault(key, each)

    def generations(self, clients: Collection[Client]) -> Mapping[Client, Generations]:
        known = self._rows.generations
        return {client: known[client] for client in clients if client in known}

    def save_generations(self, changed: Mapping[Client, Generations]) -> None:
        for client, each in changed.items():
            if each.taken_over is not None:
                self._take_over(client, each.taken_over)
            self._rows.generations[client] = replace(each, taken_over=None)

    def _take_over(self, client: Client, new: Beside) -> None:
        rows = self._rows
        rows.activity.pop(client, None)
        if new.active_at is not None:
            rows.activity[client] = new.active_at
        for key in [key for key in rows.bookings if key[:2] == client]:
            del rows.bookings[key]
        for each in new.bookings:
            delta = BookingDelta(*client, *each, new.generation)
            rows.bookings.setdefault((*client, each.activity_id), delta)

    def _current(self, client: Client) -> int:
        return self._rows.generations.get(client, UNKNOWN_CLIENT).current

    def playbooks(self, practice_ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        stored = self._rows.playbooks
        return {each: stored[each].body for each in practice_ids if each in stored}
