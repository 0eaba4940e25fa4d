"""The public files of what real people did, as two sources of one practice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rapport_devkit.databases import ServiceDatabase
from tests.support.generators.public_files import APPOINTMENTS
from tests.support.worlds.public_files import Files, PublicFiles, faults

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not APPOINTMENTS.exists(),
        reason="the appointments are not ours to publish: RAPPORT_PUBLIC_DATA names their folder",
    ),
]
ROWS = 1_200
"""Of each file; `make proof ONLY=sources` takes them whole."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_given_twice_in_halves_and_as_states_they_count_for_what_their_rows_say(
    service_database: Callable[[str], ServiceDatabase], tmp_path: Path
) -> None:
    world = PublicFiles(service_database("ingestion"), tmp_path)
    try:
        assert list(faults(world, Files(ROWS))) == []
    finally:
        world.close()
