"""A replay stops when its cure does not work; the commands do what the API does, for everybody."""

import json

import pytest

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.stream.dead_letters import cli as dead_letter_cli
from rapport_runtime.stream.dead_letters.store import (
    Actor,
    DeadLetterFilter,
    DeadLetterStore,
    ReplayPolicy,
)
from rapport_runtime.stream.loop import BatchLoop
from tests.support.doubles.known_secrets import KnownSecrets
from tests.support.worlds.toy_ledger import (
    GROUP,
    TOPIC,
    Ledger,
    eager_loop_of,
    put,
    turns,
)

pytestmark = pytest.mark.integration
EVERYONE = Actor(name="ann", all_practices=True)


@pytest.fixture
def subject(bus: MemoryBus, ledger: Ledger) -> BatchLoop:
    """A loop that has put six letters of each kind aside, of one partition."""
    for number in range(6):
        for kind in ("bad", "reject", "invalid"):
            bus.append(TOPIC, 0, b"k", f"{kind}:{number}".encode())
    made = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
    turns(made, 6)
    assert counts(ledger) == {"held": 18}
    return made


def counts(ledger: Ledger, reason: str | None = None) -> dict[str, int]:
    rows = ledger.rows(
        "SELECT state, count(*) AS count FROM every_letter"
        " WHERE reason = coalesce(%(reason)s::text, reason) GROUP BY state",
        reason=reason,
    )
    return {row.state: row.count for row in rows}


def replay(ledger: Ledger, reason: str, *, stop_after: int | None, count: int = 99) -> int:
    policy = ReplayPolicy(count=count, stop_after=stop_after)
    return DeadLetterStore(ledger.database).queue_many(
        EVERYONE, DeadLetterFilter(reason=reason), policy
    )


@pytest.mark.parametrize("reason", ["unreadable", "impossible", "raised"])
def test_it_stops_when_so_many_fail_again(subject: BatchLoop, ledger: Ledger, reason: str) -> None:
    assert replay(ledger, reason, stop_after=2) == 6
    turns(subject, 6)
    assert counts(ledger) == {"held": 18}
    tried = ledger.rows("SELECT 1 FROM dead_letter WHERE replay_id IS NOT NULL")
    assert len(tried) == 2
    assert ledger.entries() == []


def test_the_first_that_fails_ends_a_trial_and_what_worked_stays(
    subject: BatchLoop, ledger: Ledger
) -> None:
    ledger.heal = {"bad:0", "bad:1", "bad:3", "bad:4", "bad:5"}
    replay(ledger, "unreadable", stop_after=1)
    turns(subject, 6)
    assert counts(ledger, "unreadable") == {"replayed": 2, "held": 4}
    assert ledger.entries() == ["bad:0", "bad:1"]
    ledger.heal.add("bad:2")
    assert replay(ledger, "unreadable", stop_after=1) == 4
    turns(subject, 6)
    assert counts(ledger, "unreadable") == {"replayed": 6}


def test_without_a_limit_all_are_tried(subject: BatchLoop, ledger: Ledger) -> None:
    ledger.heal = {"bad:5"}
    replay(ledger, "unreadable", stop_after=None)
    turns(subject, 6)
    assert ledger.entries() == ["bad:5"]
    assert counts(ledger, "unreadable") == {"replayed": 1, "held": 5}


def test_another_replay_is_not_stopped_with_it(subject: BatchLoop, ledger: Ledger) -> None:
    ledger.heal = {f"reject:{number}" for number in range(6)}
    replay(ledger, "unreadable", stop_after=1)
    replay(ledger, "impossible", stop_after=1)
    turns(subject, 12)
    assert counts(ledger, "impossible") == {"replayed": 6}
    assert counts(ledger, "unreadable") == {"held": 6}


class TestTheCommands:
    """The command `letters` on a worker's host: the letters of all practices."""

    def give(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str], *argv: str
    ) -> tuple[int, str]:
        code = dead_letter_cli.letters(ledger.database, KnownSecrets(), argv)
        captured = capsys.readouterr()
        return code, (captured.out + captured.err).strip()

    def test_list_narrows_down(
        self, subject: BatchLoop, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        del subject
        _, everything = self.give(ledger, capsys, "list")
        assert len(everything.splitlines()) == 18
        _, few = self.give(ledger, capsys, "list", "--practice", "north", "--limit", "2")
        assert [line.split("\t")[1:5] for line in few.splitlines()] == [
            ["held", f"{TOPIC}/0@{offset}", "north", "unreadable"] for offset in (0, 3)
        ]
        assert self.give(ledger, capsys, "list", "--state", "dropped") == (0, "")

    def test_each_says_which_practice_the_record_names_be_it_anybodys_or_nobodys(
        self, bus: MemoryBus, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        put(bus, 0, "bad@east", "bad@east", "stranger@nowhere", "reject")
        turns(eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        _, everything = self.give(ledger, capsys, "list")
        named = [line.split("\t")[3] for line in everything.splitlines()]
        assert named == ["east", "east", "nowhere", "-"]
        _, strangers = self.give(ledger, capsys, "list", "--practice", "nowhere")
        _, printed = self.give(ledger, capsys, "show", strangers.split("\t")[0])
        assert json.loads(printed)["practice_id"] == "nowhere"
        counted = ["2\teast\tunreadable", "1\tnowhere\tunknown-practice", "1\t-\timpossible"]
        assert self.give(ledger, capsys, "count")[1].splitlines() == counted
        assert self.give(ledger, capsys, "count", "--limit", "1")[1].splitlines() == counted[:1]

    def test_show_hides_every_value(
        self, subject: BatchLoop, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        del subject
        (row,) = ledger.rows("SELECT id FROM dead_letter WHERE record_offset = 1")
        code, printed = self.give(ledger, capsys, "show", str(row.id))
        shown = json.loads(printed)
        assert (code, shown["reason"], shown["value_bytes"]) == (0, "impossible", 8)
        assert "reject:0" not in printed
        assert self.give(ledger, capsys, "show", "0") == (2, "no letter 0")

    def test_replay_and_drop_are_audited_by_name(
        self, subject: BatchLoop, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        few = ("replay", "--count", "4", "--reason", "unreadable", "--order", "newest")
        assert self.give(ledger, capsys, *few, "--dry-run") == (0, "4 would be queued")
        by = ("--by", "ann", "--why", "mended")
        assert self.give(ledger, capsys, *few, "--stop-after", "3", *by) == (0, "4 queued")
        ledger.heal = {f"bad:{number}" for number in range(6)}
        turns(subject, 6)
        assert ledger.entries() == ["bad:2", "bad:3", "bad:4", "bad:5"]
        (first,) = ledger.rows("SELECT id FROM dead_letter WHERE record_offset = 0")
        assert self.give(ledger, capsys, "drop", str(first.id), *by)[0] == 0
        assert self.give(ledger, capsys, "replay", str(first.id), *by)[0] == 2
        rows = ledger.rows("SELECT who, action, subject, why, count FROM audit ORDER BY id")
        assert [tuple(row) for row in rows] == [
            ("ann", "replay", "reason=unreadable", "mended", 4),
            ("ann", "drop", str(first.id), "mended", 1),
        ]

    @pytest.mark.parametrize("argv", [(), ("1", "--count", "2"), ("--count", "0")])
    def test_a_replay_of_nothing_certain_is_refused(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
    ) -> None:
        assert self.give(ledger, capsys, "replay", *argv)[0] == 2
