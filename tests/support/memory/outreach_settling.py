"""Where clients stand, and their open windows, in the memory of one test."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from outreach_service.domain.settling import Window
from outreach_service.domain.terms import Standing
from outreach_service.ports.settling import Client, WindowKey
from tests.support.memory.outreach_rows import Rows


class MemorySettling:
    """See `Settling`."""

    def __init__(self, rows: Rows, inputs_up_to: datetime | None) -> None:
        self._rows = rows
        self._inputs_up_to = inputs_up_to

    def lock_windows(
        self, clients: Collection[Client]
    ) -> Mapping[Client, Mapping[timedelta, Window]]:
        found: dict[Client, dict[timedelta, Window]] = {}
        for key, window in self._rows.windows.items():
            if key[:2] in clients:
                found.setdefault(key[:2], {})[key.settles_after] = window
        return found

    def save_windows(self, windows: Sequence[Window]) -> None:
        for each in windows:
            self._rows.windows[WindowKey(*each.change.client, each.settles_after)] = each

    def close_windows(self, keys: Sequence[WindowKey]) -> None:
        for key in keys:
            self._rows.windows.pop(key, None)

    def take_ended(self, most: int) -> list[Window]:
        up_to = self._inputs_up_to
        ended = [
            (window.ends_at, key)
            for key, window in self._rows.windows.items()
            if up_to is not None and window.ends_at <= up_to
        ]
        return [self._rows.windows.pop(key) for _, key in sorted(ended)[:most]]

    def standings(self, clients: Collection[Client]) -> Mapping[Client, Standing]:
        known = self._rows.standings
        return {each: known[each] for each in clients if each in known}

    def save_standings(self, standings: Mapping[Client, Standing]) -> None:
        self._rows.standings |= standings
