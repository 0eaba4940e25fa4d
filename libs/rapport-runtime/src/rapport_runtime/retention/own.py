"""How the runtime's own tables are purged, the same in every service."""

from collections.abc import Mapping
from types import MappingProxyType

from rapport_runtime.retention.ways import OldMonths, Way

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
        "dead-letters": OldMonths(
            "decided_letter",
            delete="""
                DELETE FROM decided_letter WHERE decided_at < %(before)s AND id IN (
                    SELECT id FROM decided_letter WHERE decided_at < %(before)s
                    ORDER BY id LIMIT %(rows)s)
            """,
            count="""
                SELECT count(*) FROM (
                    SELECT id FROM decided_letter WHERE decided_at < %(before)s LIMIT %(rows)s
                ) AS counted
            """,
        ),
    }
)
