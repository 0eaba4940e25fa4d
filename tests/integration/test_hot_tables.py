"""What is changed or passed through all the time is cleared away soon, not at a fifth of it."""

from collections.abc import Callable

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase

pytestmark = pytest.mark.integration
OF_ALL = {
    *("consumer_position", "outbox", "outbox_drained", "outbox_watermark", "published_events"),
    "worker",
}
HOT = {"ingestion": OF_ALL, "scoring": OF_ALL, "outreach": OF_ALL | {"permit"}}
_CLEARED_SOON = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND reloptions @> ARRAY[
        'autovacuum_vacuum_scale_factor=0', 'autovacuum_vacuum_cost_delay=0']
"""


@pytest.mark.parametrize("service", HOT)
def test_hot_tables_do_not_wait_for_a_fifth_of_their_rows(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    with psycopg.connect(service_database(service).owner_url) as owner:
        assert {table for (table,) in owner.execute(_CLEARED_SOON)} == HOT[service]
