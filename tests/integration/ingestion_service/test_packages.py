"""A package that is paid and used at the same moment, by two workers."""

import json
from collections import Counter

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.handlers import accept
from rapport_runtime.database import Database, fetch
from tests.integration.ingestion_service.waiting import in_another_thread, wait_for_lock
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion_packages_suite import BOUGHT, CREATED, MOTHER

pytestmark = pytest.mark.integration
_OF_CLIENTS = """
    SELECT value, external_id FROM outbox
    JOIN identity ON identity.client_id = convert_from(outbox.key, 'UTF8')
    WHERE topic = 'client-activity.v1'
"""


def money(database: Database) -> Counter[str]:
    """What was told of money, by client."""
    sums = Counter[str]()
    with database.transaction() as tx:
        for row in fetch(tx, _OF_CLIENTS):
            sums[row.external_id] += json.loads(row.value)["data"].get("amount_minor", 0)
    return sums


@pytest.mark.parametrize("is_paid_first", [True, False])
def test_the_money_is_of_whose_hour_it_is(database: Database, *, is_paid_first: bool) -> None:
    first, second = (BOUGHT, CREATED) if is_paid_first else (CREATED, BOUGHT)
    stores = build_stores(database, RECORD_KEYS, is_simulated=False)

    def take_second() -> list[str]:
        with database.transaction() as tx:
            return [each.status for each in accept([second], stores.within(tx))]

    with database.transaction() as tx:
        assert [each.status for each in accept([first], stores.within(tx))] == ["accepted"]
        thread, results = in_another_thread(take_second)
        wait_for_lock(database)
    thread.join()
    assert results == [["accepted"]]
    assert money(database) == ({MOTHER: 0} if is_paid_first else {}) | {"wang-fang": 5000}
