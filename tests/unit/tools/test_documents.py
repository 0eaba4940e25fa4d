"""`make documents` never reads as passed when its tools could not run."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.documents import __main__ as command
from tools.documents.checks import DidNotRun, Verdict


def test_without_node_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.shutil, "which", lambda _name: None)
    assert command.main([]) == command.NOT_RUN
    assert capsys.readouterr().out == "not run: no node and no npm\n"


@pytest.mark.parametrize(
    "fault",
    [DidNotRun("no JSON"), FileNotFoundError("spectral"), subprocess.CalledProcessError(1, "npm")],
)
def test_a_tool_without_an_answer_is_no_pass(
    fault: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def install(_folder: Path) -> None:
        raise fault

    monkeypatch.setattr(command, "install", install)
    assert command.check_in(tmp_path) == command.NOT_RUN
    assert capsys.readouterr().out.startswith("not run: ")


@pytest.mark.parametrize(("errors", "status"), [(0, 0), (1, 1)])
def test_an_error_is_its_exit_status(
    errors: int, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def verdicts(_folder: Path) -> Iterator[Verdict]:
        yield Verdict("redocly", "a.json", errors, 3, "no servers" * errors)

    (tmp_path / "node_modules").mkdir()
    monkeypatch.setattr(command, "verdicts", verdicts)
    assert command.check_in(tmp_path) == status
