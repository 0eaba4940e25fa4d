"""A database whose disk is full acknowledges nothing that it has not got (R22)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapport_devkit.kafka import Kafka
from tests.support.places import REPOSITORY

pytestmark = pytest.mark.integration


def test_nothing_is_acknowledged_falsely_and_all_goes_on_when_there_is_space_again(
    tmp_path: Path, kafka: Kafka
) -> None:
    """On a tmpfs of its own, filled to the last byte; where none can be mounted the test fails."""
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.support.servers.full_disk",
            tmp_path / "disk",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    report = json.loads(ran.stdout.splitlines()[-1])
    assert report.pop("refused") > 0
    assert report == {
        "acknowledged and lost": 0,
        "complete": True,
        "published": True,
        "letters": 0,
        "worker": True,
    }
