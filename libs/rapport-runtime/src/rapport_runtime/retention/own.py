"""How the runtime's own tables are purged, the same in every service."""

from collections.abc import Mapping
from types import MappingProxyType

from rapport_runtime.retention.ways import OldMonths, OldRows, Way

RUNTIME_WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "audit": OldMonths(
            "audit",
            delete="""
                DELETE FROM audit WHERE at < %(before)s AND id IN (
                    SELECT id FROM audit WHERE at < %(before)s ORDER BY id LIMIT %(rows)s)
            """,
            count="""
                SELECT count(*) FROM (
                    SELECT id FROM audit WHERE at < %(before)s LIMIT %(rows)s) AS counted
            """,
        ),
        "dead-letters": OldRows(
            delete="""
                DELETE FROM dead_letter WHERE id IN (
                    SELECT id FROM dead_letter
                    WHERE state IN ('replayed', 'dropped') AND decided_at < %(before)s
                    ORDER BY decided_at LIMIT %(rows)s)
            """,
            count="""
                SELECT count(*) FROM (
                    SELECT id FROM dead_letter
                    WHERE state IN ('replayed', 'dropped') AND decided_at < %(before)s
                    LIMIT %(rows)s) AS counted
            """,
            oldest="""
                SELECT decided_at AS at FROM dead_letter WHERE state IN ('replayed', 'dropped')
                ORDER BY decided_at LIMIT 1
            """,
        ),
    }
)
