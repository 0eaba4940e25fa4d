"""Who has read clients' personal data, as rows: one for a client, day, key and kind (S16)."""

from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from outreach_service.ports.reads import Caller, DayOfReads, PersonalData, ReadKey
from rapport_runtime.database import execute, fetch

_RECORD: Final = """
    INSERT INTO personal_read
        (practice_id, client_id, day, key_id, what, count, first_at, last_at)
    SELECT %(practice_id)s, %(client_id)s, (instant AT TIME ZONE 'UTC')::date, %(key_id)s, %(what)s,
           1, instant, instant
    FROM clock_timestamp() AS instant
    ON CONFLICT (practice_id, client_id, day, key_id, what) DO UPDATE
    SET count = personal_read.count + 1,
        last_at = greatest(personal_read.last_at, excluded.last_at)
"""
_PAGE: Final = """
    SELECT day, key_id, what, nullif(label, '') AS key_label, count, first_at, last_at
    FROM personal_read LEFT JOIN api_key ON api_key.id = key_id
    WHERE personal_read.practice_id = %(practice_id)s AND client_id = %(client_id)s
      AND (day, key_id, what) > (%(day)s::date, %(key_id)s, %(what)s)
    ORDER BY day, key_id, what LIMIT %(limit)s
"""
_BEFORE_ALL: Final = ReadKey(date.min, "", "")


class PostgresReads:
    """`PersonalReads` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def record(self, caller: Caller, client_id: str, what: PersonalData) -> None:
        """See `PersonalReads.record`."""
        params = {**caller._asdict(), "client_id": client_id, "what": what.value}
        execute(self._tx, _RECORD, params)

    def page(
        self, practice_id: str, client_id: str, after: ReadKey | None, limit: int
    ) -> list[DayOfReads]:
        """See `PersonalReads.page`."""
        params = {
            **(after or _BEFORE_ALL)._asdict(),
            "practice_id": practice_id,
            "client_id": client_id,
            "limit": limit,
        }
        return [_day_of_reads(row) for row in fetch(self._tx, _PAGE, params)]


def _day_of_reads(row: Any) -> DayOfReads:
    return DayOfReads(
        key=ReadKey(row.day, row.key_id, row.what),
        key_label=row.key_label,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
    )
