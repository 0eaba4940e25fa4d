"""The Makefile's first targets: a file's name is passed whole, an old Python says what it is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

ECHO = '#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\n'
OLD = '#!/bin/sh\ncase "$1" in -V) echo "Python 3.9.2";; -c) exit 1;; *) echo "made <$*>";; esac\n'
NEW = '#!/bin/sh\ncase "$1" in -c) exit 0;; *) echo "made <$*>";; esac\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile, with what its environment is made from."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    needed = [tmp_path / "requirements" / "dev.txt"]
    for room in ("libs", "services"):
        for member in (REPOSITORY / room).iterdir():
            needed.append(tmp_path / room / member.name / "pyproject.toml")
    for file in needed:
        file.parent.mkdir(parents=True)
        file.touch()
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["make", "-C", str(folder), "--no-print-directory", *words],
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my file.csv", ["--data", "my file.csv"]),
        ('o\'neill "2026"; ls.csv', ["--data", 'o\'neill "2026"; ls.csv']),
        ("", []),
    ],
)
def test_a_file_of_any_name_is_passed_whole(checkout: Path, name: str, words: list[str]) -> None:
    program(checkout / ".venv" / "bin" / "python", ECHO)
    (checkout / ".venv" / ".ready").touch()
    done = make(checkout, "demo", *([f"DATA={name}"] if name else []), "ARGS=--exit")
    told = ["-m", "rapport_devkit.demo", *words, "--exit"]
    assert done.stdout.splitlines() == [f"<{word}>" for word in told]


def test_an_old_python_is_told_what_is_wanted(checkout: Path) -> None:
    old = program(checkout / "old", OLD)
    done = make(checkout, "venv", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or later" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert "made" not in done.stdout


def test_the_environment_of_an_old_python_is_made_anew(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "python", OLD)
    new = program(checkout / "new", NEW)
    assert "made <-m venv --clear .venv>" in make(checkout, "venv", f"PYTHON={new}").stdout
