"""A worker's id is the same all its life, another for the next process, and can be paused."""

from rapport_runtime.ops import pauses
from rapport_runtime.ops.pause_routes import PauseBody


def test_it_lasts_as_long_as_the_process() -> None:
    mine = pauses.this_worker()
    assert pauses.this_worker() == mine
    pauses._this_start.cache_clear()
    assert pauses.this_worker() != mine


def test_it_can_be_named_in_a_pause() -> None:
    wanted = PauseBody(kind="worker", subject=pauses.this_worker(), why="it eats memory")
    assert wanted.subject == pauses.this_worker()
