"""What other systems have noted of clients, in the memory of one test."""

from collections.abc import Collection, Mapping

from outreach_service.domain.care import Flag, FlagKey
from outreach_service.domain.generations import Client, Span
from tests.support.memory.outreach_rows import Rows


class MemoryCareFlags:
    """See `CareFlags`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def find(self, keys: Collection[FlagKey]) -> Mapping[FlagKey, Flag]:
        return {key: self._rows.flags[key] for key in keys if key in self._rows.flags}

    def of_client(self, practice_id: str, client_id: str) -> list[Flag]:
        of = (practice_id, client_id)
        return [flag for key, flag in sorted(self._rows.flags.items()) if key[:2] == of]

    def save(self, flags: Collection[Flag]) -> None:
        self._rows.flags |= {flag.key: flag for flag in flags}

    def came(self, clients: Collection[Client]) -> Mapping[Client, tuple[Span, ...]]:
        return {each: self._rows.came[each] for each in clients if each in self._rows.came}

    def save_came(self, came: Mapping[Client, tuple[Span, ...]]) -> None:
        self._rows.came |= came
