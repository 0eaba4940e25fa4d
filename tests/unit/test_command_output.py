"""What a command answers stands alone on stdout: it can be kept in a file, or read by a program."""

import logging
import sys
from collections.abc import Iterator, Sequence

import pytest
import structlog

from ingestion_service import bootstrap as ingestion
from outreach_service import bootstrap as outreach
from rapport_runtime import logs
from rapport_runtime.cli import main
from scoring_service import bootstrap as scoring

PROCESSES = {"api", "worker"}
OTHERS = {*ingestion.COMMANDS, *scoring.COMMANDS, *outreach.COMMANDS} - PROCESSES


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def answering(_argv: Sequence[str]) -> int:
    """A command during which we and a library log."""
    logs.get_logger("toy").warning("toy_was_slow")
    logging.getLogger("kafka.consumer").warning("the library was slow")
    sys.stdout.write("the answer\n")
    return 0


@pytest.mark.parametrize("command", sorted(OTHERS))
def test_an_operators_answer_holds_no_line_of_the_log(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("toy", {command: answering}, [command]) == 0
    printed = capsys.readouterr()
    assert printed.out == "the answer\n"
    assert "toy_was_slow" in printed.err
    assert "the library was slow" in printed.err


@pytest.mark.parametrize("command", sorted(PROCESSES))
def test_a_process_logs_to_stdout(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main("toy", {command: answering}, [command])
    printed = capsys.readouterr()
    assert "toy_was_slow" in printed.out
    assert printed.err == ""
