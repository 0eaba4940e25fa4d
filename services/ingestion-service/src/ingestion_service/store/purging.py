"""How ingestion's rows go that have outlived their term."""

from collections.abc import Mapping
from types import MappingProxyType

from rapport_runtime.retention.own import RUNTIME_WAYS
from rapport_runtime.retention.ways import OldRows, Way

WAYS: Mapping[str, Way] = MappingProxyType(
    {
        **RUNTIME_WAYS,
        "source-days": OldRows(
            delete="""
                DELETE FROM source_day USING (
                    SELECT practice_id, source, day, bucket FROM source_day
                    WHERE day < %(before)s::date ORDER BY day LIMIT %(rows)s
                ) AS old
                WHERE source_day.practice_id = old.practice_id AND source_day.source = old.source
                  AND source_day.day = old.day AND source_day.bucket = old.bucket
            """,
            count="""
                SELECT count(*) FROM (
                    SELECT day FROM source_day WHERE day < %(before)s::date LIMIT %(rows)s
                ) AS counted
            """,
            oldest="SELECT day::timestamptz AS at FROM source_day ORDER BY day LIMIT 1",
        ),
    }
)
