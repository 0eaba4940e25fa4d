"""Who has read clients' personal data, in the memory of one test; of `practice_id` alone, when
there is one."""

from datetime import datetime

from outreach_service.ports.reads import Caller, DayOfReads, PersonalData, ReadKey
from tests.support.memory.outreach_rows import Reads, Rows


class MemoryReads:
    """See `PersonalReads`; `now` is the real clock, in UTC."""

    def __init__(self, rows: Rows, practice_id: str | None, now: datetime) -> None:
        self._rows = rows
        self._practice_id = practice_id
        self._now = now

    def record(self, caller: Caller, client_id: str, what: PersonalData) -> None:
        key = ReadKey(self._now.date(), caller.key_id, what.value)
        new = Reads(0, self._now, self._now)
        row = self._rows.reads.setdefault((caller.practice_id, client_id, key), new)
        row.count += 1
        row.last_at = max(row.last_at, self._now)

    def page(
        self, practice_id: str, client_id: str, after: ReadKey | None, limit: int
    ) -> list[DayOfReads]:
        if self._practice_id not in {None, practice_id}:
            return []
        found = [
            DayOfReads(key, self._label(key.key_id), row.count, row.first_at, row.last_at)
            for (practice, client, key), row in self._rows.reads.items()
            if (practice, client) == (practice_id, client_id) and (after is None or key > after)
        ]
        return sorted(found, key=lambda each: each.key)[:limit]

    def _label(self, key_id: str) -> str | None:
        known = self._rows.keys.get(key_id)
        return None if known is None else known["label"] or None
