"""Who gives an operators' command, and how what it says is printed."""

import os
import pwd
import subprocess
import sys
from argparse import ArgumentParser
from types import SimpleNamespace

import pytest

from rapport_runtime.ops import operators
from rapport_runtime.ops.operators import Refused, account_name, actor, add_reason

_MANY_LINES = """
from rapport_runtime.ops.operators import run_and_print
raise SystemExit(run_and_print(lambda: ["a letter"] * 100_000))
"""


def as_account(monkeypatch: pytest.MonkeyPatch, number: int, name: str | None) -> None:
    def named(_number: int) -> SimpleNamespace:
        if name is None:
            raise KeyError(number)
        return SimpleNamespace(pw_name=name)

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: number)
    monkeypatch.setattr(pwd, "getpwuid", named)
    monkeypatch.setattr(operators.socket, "gethostname", lambda: "db1")


def given(*argv: str) -> str:
    """Who a command with these arguments says that gives it."""
    parser = ArgumentParser()
    add_reason(parser, required=True)
    return actor(parser.parse_args(["--why", "x", *argv]))


def test_an_account_with_a_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    as_account(monkeypatch, 1000, "ann")
    assert given() == "ann at db1"
    assert given("--by", "ben") == "ben"


@pytest.mark.parametrize(
    ("number", "name"),
    [
        pytest.param(10001, None, id="a container's number"),
        pytest.param(0, "root", id="root"),
    ],
)
def test_an_account_that_is_everybodys_must_say_who(
    monkeypatch: pytest.MonkeyPatch, number: int, name: str | None
) -> None:
    as_account(monkeypatch, number, name)
    with pytest.raises(Refused, match="--by"):
        given()
    assert given("--by", "ann") == "ann"


def test_who_became_root_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    as_account(monkeypatch, 0, "root")
    monkeypatch.setenv("SUDO_USER", "ann")
    assert account_name() == "ann at db1"


def test_a_blank_name_is_none() -> None:
    with pytest.raises(SystemExit):
        given("--by", "  ")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As of `letters list | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-c", _MANY_LINES], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"a letter\n"
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(30), told) == (0, b"")
