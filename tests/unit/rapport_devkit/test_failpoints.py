"""Failpoints strike exactly when told, and only in a process that the launcher started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rapport_devkit.failpoints import (
    Armed,
    ArmedByFile,
    Failpoint,
    FailpointRaised,
    InvalidFailpoints,
    parse,
)

SERVICE = """
import sys
from rapport_runtime import failpoints
for turn in range(3):
    failpoints.hit("turned")
    print("turn", turn, *sys.argv[1:], flush=True)
"""


class TestParse:
    """The little language of RAPPORT_FAILPOINTS."""

    def test_reads_every_action(self) -> None:
        text = "in_tx=kill@3, polled=sleep:0.25~0.05/7,relayed=hang,before_commit=raise~1"
        assert parse(text) == [
            Failpoint(name="in_tx", action="kill", nth=3),
            Failpoint(name="polled", action="sleep", seconds=0.25, probability=0.05, seed=7),
            Failpoint(name="relayed", action="hang"),
            Failpoint(name="before_commit", action="raise"),
        ]

    def test_finds_none_in_an_empty_text(self) -> None:
        assert parse("") == []

    @pytest.mark.parametrize(
        "text",
        ["in_tx", "in_tx=explode", "in_tx=kill@0", "=kill", "in_tx=sleep", "in_tx=kill~1.5"],
    )
    def test_refuses_what_it_cannot_read(self, text: str) -> None:
        with pytest.raises(InvalidFailpoints, match="NAME=ACTION"):
            parse(f"polled=kill,{text}")


class TestArmed:
    """When a failpoint strikes."""

    @pytest.fixture
    def struck(self) -> list[str]:
        return []

    def armed(self, text: str, struck: list[str]) -> Armed:
        return Armed(parse(text), perform=lambda point: struck.append(point.name))

    def test_strikes_at_the_nth_passing_only(self, struck: list[str]) -> None:
        armed = self.armed("in_tx=kill@3", struck)
        marks = []
        for _ in range(5):
            armed.hit("in_tx")
            marks.append(len(struck))
        assert marks == [0, 0, 1, 1, 1]

    def test_strikes_each_time_without_a_number_and_never_elsewhere(
        self, struck: list[str]
    ) -> None:
        armed = self.armed("in_tx=raise", struck)
        for name in ("in_tx", "polled", "in_tx"):
            armed.hit(name)
        assert struck == ["in_tx", "in_tx"]

    def test_chance_is_repeatable_by_its_seed(self) -> None:
        def run(seed: int) -> list[int]:
            struck: list[str] = []
            armed = self.armed(f"in_tx=kill~0.3/{seed}", struck)
            counts = []
            for _ in range(100):
                armed.hit("in_tx")
                counts.append(len(struck))
            return counts

        assert run(1) == run(1)
        assert run(1) != run(2)
        assert 15 < run(1)[-1] < 45

    def test_raises_for_real(self) -> None:
        with pytest.raises(FailpointRaised, match="in_tx"):
            Armed(parse("in_tx=raise")).hit("in_tx")


class TestLauncher:
    """`python -m rapport_devkit.failpoints MODULE ...`."""

    def launch(self, folder: Path, failpoints: str) -> subprocess.CompletedProcess[str]:
        package = folder / "toy_service"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(SERVICE)
        return subprocess.run(
            [sys.executable, "-m", "rapport_devkit.failpoints", "toy_service", "worker", "fast"],
            env={**os.environ, "PYTHONPATH": str(folder), "RAPPORT_FAILPOINTS": failpoints},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def test_kills_the_service_where_it_was_told(self, tmp_path: Path) -> None:
        done = self.launch(tmp_path, "turned=kill@2")
        assert done.returncode == -signal.SIGKILL
        assert done.stdout == "turn 0 worker fast\n"
        assert done.stderr == "failpoint turned at passing 2: kill\n"

    def test_runs_the_service_as_it_is_without_any(self, tmp_path: Path) -> None:
        done = self.launch(tmp_path, "")
        assert done.returncode == 0
        assert done.stdout.splitlines()[-1] == "turn 2 worker fast"

    def test_starts_nothing_when_it_cannot_read_them(self, tmp_path: Path) -> None:
        done = self.launch(tmp_path, "turned=explode")
        assert done.returncode == 1
        assert done.stdout == ""
        assert "RAPPORT_FAILPOINTS: not NAME=ACTION" in done.stderr


def test_a_process_that_runs_is_armed_by_its_file(tmp_path: Path) -> None:
    struck: list[str] = []
    listed = tmp_path / "listed"
    armed = ArmedByFile(listed, perform=lambda point: struck.append(point.name))
    armed.hit("in_tx")
    assert struck == []
    listed.write_text("in_tx=kill@2")
    armed.hit("in_tx")
    armed.hit("polled")
    assert struck == []
    armed.hit("in_tx")
    assert struck == ["in_tx"]
    listed.unlink()
    armed.hit("in_tx")
    assert struck == ["in_tx"]
