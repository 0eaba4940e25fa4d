"""However many messages one practice has, another's go in their turn, and none is rewritten."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from outreach_service.domain.terms import Channel
from outreach_service.store import queue
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from tests.support.worlds.outreach import PRACTICE, OutreachWorld, playbook, worlds

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FLOOD = 20_000
_FLOOD = """
    INSERT INTO message (practice_id, message_id, client_id, partition, play, step, occasion_kind,
        occasion_id, play_body, purpose, change, due_at, decide_at, state, changed_at, lane)
    SELECT practice_id, md5(number::text), client_id, partition, play, step, occasion_kind,
        'flood:' || number, play_body, purpose, change, due_at, due_at, state, changed_at, lane
    FROM message, generate_series(2, :messages) AS number
"""
_COUNT_UPDATES = """
    CREATE TABLE updated (message_id text);
    GRANT INSERT, SELECT ON updated TO rapport_worker;
    CREATE FUNCTION count_update() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO updated VALUES (new.message_id); RETURN NULL; END $$;
    CREATE TRIGGER count_update AFTER UPDATE ON message
    FOR EACH ROW EXECUTE FUNCTION count_update();
"""


@pytest.fixture
def flooded(service_database: Callable[[str], ServiceDatabase]) -> Iterator[OutreachWorld]:
    """Harbour has 20,000 messages that are due; one of South, and one of West, fell due later."""
    made: list[ServiceDatabase] = []

    def remembered(service: str) -> ServiceDatabase:
        made.append(service_database(service))
        return made[-1]

    with worlds(remembered) as build:
        world = build(playbook(directions=["entered"], purpose="service"))
        world.now_is(NOON - timedelta(hours=2))
        world.reachable("ada", Channel.SMS, "+8613800138000", "service")
        world.moved("ada", 1, NOON - timedelta(hours=1))
        world.now_is(NOON - timedelta(hours=1))
        world.execute(_FLOOD, messages=FLOOD)
        for number, practice in enumerate(("south", "west")):
            world.execute(
                "INSERT INTO practice VALUES (:practice, 'S', 'Europe/London', 'GBP')",
                practice=practice,
            )
            phone = f"+861380013810{number}"
            world.reachable(practice, Channel.SMS, phone, "service", practice)
            world.moved(practice, 1, NOON, practice=practice)
        world.now_is(NOON)
        owner = Database(made[0].owner_url, application_name="owner")
        with owner.transaction() as tx:
            tx.exec_driver_sql(_COUNT_UPDATES)
        owner.close()
        yield world


def permits(world: OutreachWorld, tokens: int) -> None:
    world.execute(
        "UPDATE permit SET tokens = :tokens, per_second = 0.001, burst = 100, refilled_at = now()",
        tokens=tokens,
    )


def updates(world: OutreachWorld) -> int:
    (row,) = world.rows("SELECT count(*) AS updates FROM updated")
    return int(row.updates)


@pytest.mark.parametrize("mutant", [False, True])
def test_a_flood_of_one_practice_does_not_delay_anothers_message(
    flooded: OutreachWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Mutant: a practice whose turn it is has all its messages served."""
    if mutant:
        counted = "row_number() OVER (ORDER BY decide_at, message_id) AS turn"
        assert queue._DUE.count(counted) == 1
        monkeypatch.setattr(queue, "_DUE", queue._DUE.replace(counted, "1 AS turn"))
    permits(flooded, 4)
    order = [each.practice_id for each in flooded.queue.claim(32).claimed]
    survives = order == [PRACTICE, "south", "west", PRACTICE]
    assert survives is not mutant


def test_the_next_look_goes_on_after_the_practice_that_was_served_last(
    flooded: OutreachWorld,
) -> None:
    order = []
    for _ in range(5):
        permits(flooded, 1)
        order += [each.practice_id for each in flooded.queue.claim(32).claimed]
    assert order == [PRACTICE, "south", "west", PRACTICE, PRACTICE]


def test_a_message_is_written_when_it_is_claimed_and_when_it_is_answered(
    flooded: OutreachWorld,
) -> None:
    """What waits for a permit is not: neither by a look that takes others, nor without permits."""
    permits(flooded, 4)
    assert flooded.dispatch() == 4
    for _ in range(5):
        assert flooded.dispatch() == 0
    assert updates(flooded) == 2 * 4
