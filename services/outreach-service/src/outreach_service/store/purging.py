"""How outreach's rows go that have outlived their term."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rapport_runtime.retention.own import RUNTIME_WAYS
from rapport_runtime.retention.ways import OldMonths, OldRows, Way

# The index `message_whole` has this condition.
_WHOLE: Final = """
    play_body IS NOT NULL AND retry_until IS NULL
    AND state IN ('accepted', 'delivered', 'bounced', 'failed', 'suppressed', 'cancelled',
                  'expired', 'unknown')
"""
_MESSAGES: Final = OldRows(
    delete=f"""
        UPDATE message SET play_body = NULL, change = NULL
        WHERE (practice_id, message_id) IN (
            SELECT practice_id, message_id FROM message
            WHERE {_WHOLE} AND changed_at < %(before)s ORDER BY changed_at LIMIT %(rows)s)
          AND {_WHOLE}
    """,
    count=f"""
        SELECT count(*) FROM (
            SELECT message_id FROM message WHERE {_WHOLE} AND changed_at < %(before)s
            LIMIT %(rows)s) AS counted
    """,
    oldest=f"SELECT changed_at AS at FROM message WHERE {_WHOLE} ORDER BY changed_at LIMIT 1",
)
_ATTEMPTS: Final = OldMonths(
    "attempt",
    delete="""
        DELETE FROM attempt
        WHERE started_at < %(before)s AND (practice_id, message_id, number) IN (
            SELECT practice_id, message_id, number FROM attempt
            WHERE started_at < %(before)s ORDER BY started_at LIMIT %(rows)s)
    """,
    count="""
        SELECT count(*) FROM (
            SELECT number FROM attempt WHERE started_at < %(before)s LIMIT %(rows)s) AS counted
    """,
)
_BOOKINGS: Final = OldRows(
    delete="""
        DELETE FROM booking WHERE (practice_id, client_id, activity_id) IN (
            SELECT practice_id, client_id, activity_id FROM booking
            WHERE starts_at < %(before)s ORDER BY starts_at LIMIT %(rows)s)
    """,
    count="""
        SELECT count(*) FROM (
            SELECT activity_id FROM booking WHERE starts_at < %(before)s LIMIT %(rows)s) AS counted
    """,
    oldest="SELECT starts_at AS at FROM booking ORDER BY starts_at LIMIT 1",
)
_READS: Final = OldMonths(
    "personal_read",
    delete="""
        DELETE FROM personal_read
        WHERE day < %(before)s AND (practice_id, client_id, day, key_id, what) IN (
            SELECT practice_id, client_id, day, key_id, what FROM personal_read
            WHERE day < %(before)s ORDER BY day LIMIT %(rows)s)
    """,
    count="""
        SELECT count(*) FROM (
            SELECT day FROM personal_read WHERE day < %(before)s LIMIT %(rows)s) AS counted
    """,
)
WAYS: Mapping[str, Way] = MappingProxyType(
    {
        **RUNTIME_WAYS,
        "messages": _MESSAGES,
        "attempts": _ATTEMPTS,
        "bookings": _BOOKINGS,
        "reads": _READS,
    }
)
