"""The demo as a reader meets it: it keeps its promises, its commands work, nothing is left."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.places import JARS
from tests.support.servers.buses import eventually
from tests.support.servers.process_states import is_alive

pytestmark = [
    *(pytest.mark.e2e, pytest.mark.slow),
    pytest.mark.timeout(600),
]

TABLES = (
    "Rulebook rfm-demo version 1",
    "Clients per tier",
    "Tier changes by reason",
    "Messages by channel and state",
    "Messages not delivered, and why",
    "Deferred by the limits at some time",
    "What they did",
    "Each change of tier, and why",
    "A message as it was rendered",
    "Another one that was withheld",
    "Next, if nothing happens:",
    "Nothing lost, nothing twice.",
)


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo in a folder of its own, on servers of its own; the jars are shared."""
    cache = folder / ".local" / "kafka"
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / "jars").exists():
        JARS.mkdir(parents=True, exist_ok=True)
        (cache / "jars").symlink_to(JARS)
    foreign = {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
    clean = {name: value for name, value in os.environ.items() if name not in foreign}
    process = subprocess.Popen(
        [sys.executable, "-m", "rapport_devkit.demo", "--language", "en", *arguments],
        cwd=folder,
        env={**clean, "COLUMNS": "160", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """The lines up to the one that holds `wanted`; all of them when it never comes."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if wanted in line:
            break
    return lines


def descendants(pid: int) -> set[int]:
    """The process ids of all children and theirs, by what the kernel says."""
    below: set[int] = set()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            below |= {child} | descendants(child)
    return below


def messages_in(lines: list[str], states: set[str]) -> int:
    """How many messages the table of states counts in these; the state is its second cell."""
    titles = [line.strip() for line in lines]
    begin = titles.index("Messages by channel and state")
    end = titles.index("Messages not delivered, and why")
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines[begin:end]]
    return sum(int(row[2].replace(",", "")) for row in rows if len(row) == 3 and row[1] in states)


def number(lines: list[str], row: str) -> int:
    """The last cell of a table's row."""
    (line,) = [line for line in lines if line.startswith(f"│ {row} ")]
    return int(line.strip("│ ").split("│")[-1].replace(",", ""))


@dataclass(frozen=True)
class Run:
    """What one run showed until Ctrl-C, and what was left of it."""

    folder: Path
    lines: list[str]
    commands: list["subprocess.CompletedProcess[str]"]
    children: int
    return_code: int
    left: bool

    def identities(self) -> set[tuple[str, str]]:
        """Those of the client of the story, by the command that shows them."""
        (shown,) = (
            json.loads(done.stdout)["identities"]
            for done in self.commands
            if re.search(r"/v1/clients/[0-9a-f]+$", done.args[-1])
        )
        return {(one["namespace"], one["external_id"]) for one in shown}


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The demo over forty days; its commands are run while it is up, and then it is interrupted."""
    folder = tmp_path_factory.mktemp("demo")
    with demo(folder, "--days", "40") as process:
        lines = read_until(process, "until Ctrl-C")
        commands = [
            subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
            for line in lines
            if line.startswith("curl ")
        ]
        children = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        return_code = process.wait(60)
        left = not eventually(lambda: not any(map(is_alive, children)))
    return Run(folder, lines, commands, len(children), return_code, left)


def test_the_demo_tells_its_story_and_its_commands_work(first_run: Run) -> None:
    lines, text = first_run.lines, "\n".join(first_run.lines)
    assert [title for title in TABLES if title not in text] == []
    assert number(lines, "sent to the bus") == 2_512 + 50 + 5
    assert number(lines, "accepted (events in)") == 2_512
    assert number(lines, "duplicates") == 50
    assert number(lines, "dead letters") == 5
    assert messages_in(lines, {"accepted", "delivered"}) > 0
    assert messages_in(lines, {"suppressed", "cancelled", "expired", "deferred"}) > 0
    assert "there is none" not in text
    assert len(re.findall(r"^\w+ +http://127\.0\.0\.1:\d+/docs$", text, re.MULTILINE)) == 3
    assert len(first_run.commands) == 9 + 5 + 2
    late = re.search(r"(\d+) clients paid before .*: (\d+) payments waited for it", text)
    assert late is not None
    assert 0 < int(late[1]) <= int(late[2])
    assert len(first_run.identities()) == 2
    for done in first_run.commands:
        assert done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"


def test_an_interrupted_demo_ends_well_with_all_its_processes(first_run: Run) -> None:
    assert first_run.children >= 9  # three APIs, three workers, sandbox, broker, Postgres
    assert first_run.return_code == 0
    assert not first_run.left


def test_the_readers_own_file_is_replayed_and_a_second_run_starts_clean(first_run: Run) -> None:
    mine = first_run.folder / "my.csv"
    mine.write_text(
        "client_id,happened_at,event,id,amount,currency\n"
        "wren,2026-03-02 09:30,completed,b1,,\n"
        "wren,2026-03-02 09:40,settled,p1,180.00,CNY\n"
        "heron,2026-03-04,refunded,p2,80.00,CNY\n"
        "heron,2026-03-05,settled,p2,80.00,CNY\n"
    )
    with demo(first_run.folder, "--data", str(mine), "--exit") as process:
        text = "\n".join(read_until(process, "never comes"))
        assert process.wait(60) == 0, text
    assert "Nothing lost, nothing twice." in text
    assert number(text.splitlines(), "accepted (events in)") == 4
    assert number(text.splitlines(), "duplicates") == 0
    assert number(text.splitlines(), "dead letters") == 0
    assert "Rulebook rfm-demo-cny version 1" in text
    assert "day 1 of 4, 2 events sent" in text  # to a file, now and then
    assert "curl" not in text


def test_a_bad_file_starts_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "my.csv"
    mine.write_text("client_id,happened_at,event,id\nwren,soon,completed,b1\n")
    with demo(tmp_path, "--data", str(mine), "--exit") as process:
        lines = read_until(process, "never comes")
        assert process.wait(60) == 2
    assert lines[:2] == [
        "line 2, happened_at: is not a date: write 2026-03-01 14:30",
        "nothing was replayed",
    ]
    assert "docs/your-own-data.csv" in lines[2]
    assert not (tmp_path / ".local" / "demo").exists()
