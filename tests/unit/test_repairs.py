"""Ingestion's database goes back in time and is repaired while scoring and outreach go on: no
message follows, neither when clients count for less nor when the lost events come again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from outreach_service.builtin import builtin_playbook
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.worlds.settled import Said, SettledEvents
from tests.unit.test_arrivals import DAY, HARBOUR, HOUR, NOON, Step, arrivals, event

MINUTE = HOUR / 60
Document = dict[str, Any]


class RestoredEvents(SettledEvents):
    """The services; ingestion's database may lose what it has taken in."""

    def __init__(self) -> None:
        super().__init__(HARBOUR, RULEBOOK, builtin_playbook())

    @contextmanager
    def losing(self, documents: Sequence[Document]) -> Iterator[None]:
        """What is taken in meanwhile, these events, is lost at the end; then the clients concerned
        are repaired."""
        backup = self.ingestion.tables.copied()
        yield
        before, self.ingestion.tables = self.ingestion.tables, backup
        self._written = len(backup.said)
        backup.simulated_at = before.simulated_at
        for document in documents:
            fact = self._fact(document)
            client_id = before.identities[fact.client]
            backup.lost[fact.event_key] = client_id, before.objects[fact.object_key].object_id
            key = fact.practice_id, client_id
            backup.clients.setdefault(
                key, before.clients[key]._replace(last_sequence=0, generation=1)
            )
        self.rebuild()


def said(steps: Sequence[Step], kept: int, *, loses: bool) -> Counter[Said]:
    """What is planned when all is over, if the steps after the first `kept` are lost, and their
    events come again a minute later."""
    world = RestoredEvents()
    for now, documents in steps[:kept]:
        world.step(now, documents)
    lost = [document for _, documents in steps[kept:] for document in documents]
    if loses:
        with world.losing(lost):
            _go(world, steps[kept:])
    else:
        _go(world, steps[kept:])
    last = steps[-1][0]
    world.step(last + MINUTE, lost)
    world.step(last + 3 * HOUR, [])
    return Counter(world.said())


def _go(world: RestoredEvents, steps: Sequence[Step]) -> None:
    for now, documents in steps:
        world.step(now, documents)


@settings(max_examples=60, deadline=None)
@given(arrivals(), st.integers(0, 5))
def test_a_repair_says_nothing_that_was_not_said_without_it(steps: list[Step], kept: int) -> None:
    kept = min(kept, len(steps) - 1)
    without = said(steps, kept, loses=False)
    assert said(steps, kept, loses=True) <= without


def test_who_rises_again_after_a_repair_is_not_welcomed_again() -> None:
    """And was, when the events came for the first time."""
    visit = [
        event("completed", "ada", "b1", NOON + DAY),
        event("settled", "ada", "p1", NOON + DAY),
    ]
    booking = [event("created", "ada", "b0", NOON)]
    steps: list[Step] = [(NOON, booking), (NOON + DAY, visit), (NOON + 2 * DAY, [])]
    once = Counter([Said("welcome", 0, "welcome")])
    assert said(steps, 1, loses=False) == once
    assert said(steps, 1, loses=True) == once
