"""A virtual environment that holds one wheel and what it declares to need, and nothing else."""

import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

SECONDS = 180


def build_wheel(package: Path, into: Path) -> Path:
    """The package's wheel, built with the environment's own backend; nothing is downloaded."""
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(into), str(package))
    (wheel,) = into.glob("*.whl")
    return wheel


class WheelEnvironment:
    """The environment: the wheel installed by pip, its needs linked from ours, in their versions.

    `others` are what its user has besides. pip itself then checks that no need is unmet.
    """

    def __init__(self, folder: Path, wheel: Path, others: Iterable[str] = ()) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self._pip("install", "--no-deps", "--no-index", str(wheel))
        (self.site,) = folder.glob("lib/python*/site-packages")
        (own,) = self.site.glob("*.dist-info")
        self.needs = sorted(_names(Distribution.at(own)))
        for name in _closure([*self.needs, *others]):
            _link(distribution(name), self.site)
        self._pip("check")

    def run(self, script: str) -> str:
        """What a script prints, run apart from the caller's folder and variables."""
        command = [str(self.python), "-I", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _pip(self, *arguments: str) -> None:
        _pip("--python", str(self.python), *arguments)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def _names(of: Distribution) -> set[str]:
    """What a distribution needs on this machine, without its extras."""
    needs = map(Requirement, of.requires or ())
    return {need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})}


def _closure(names: Iterable[str]) -> set[str]:
    """The distributions named, and all that they need in turn."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= _names(distribution(name)) - found
    return found


def _link(installed: Distribution, site: Path) -> None:
    """Make a distribution importable there: each of its top entries as a link."""
    tops = {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
    for top in tops:
        (site / top).symlink_to(str(installed.locate_file(top)))
