"""The pause after a rollback doubles with each further one, up to its limit."""

import pytest

from rapport_runtime.stream.loop import LoopOptions
from tests.support.doubles.known_secrets import RECORD_KEYS


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.1), (2, 0.2), (3, 0.35), (4, 0.35), (10_000, 0.35)]
)
def test_the_pause_doubles_up_to_its_limit(failures: int, seconds: float) -> None:
    options = LoopOptions(group="g", keyring=RECORD_KEYS, retry_seconds=0.1, max_retry_seconds=0.35)
    assert options.retry_pause(failures) == pytest.approx(seconds)
