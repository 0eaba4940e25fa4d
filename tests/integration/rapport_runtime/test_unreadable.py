"""A partition in which the client cannot read on stands still, aloud; `skip` lets it go on."""

from argparse import Namespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.http.probes import readyz
from rapport_runtime.ops import pauses
from rapport_runtime.ops.pauses import Pausable, PauseRequest
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.dead_letters import table as dead_letters
from rapport_runtime.stream.dead_letters.sealed import opened
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.skip import Skip, skip_command, skip_parser
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.worlds.toy_ledger import (
    GROUP,
    TOPIC,
    Ledger,
    eager_loop_of,
    loop_of,
    partition,
    put,
    turns,
    words,
)

pytestmark = pytest.mark.integration
LETTERS = dead_letters.DeadLetterTable(GROUP, RECORD_KEYS)
P0 = partition(0)
WHY = "a header has a name that is not UTF-8"
CONFIRMED = [TOPIC, "0", "--confirm", "--why", "bit rot", "--by", "somebody"]
AT_ONCE = AssignmentOptions(commit_fenced_seconds=0.0, reread_seconds=0.0)


def given(argv: list[str]) -> Namespace:
    return skip_parser().parse_args(argv)


@pytest.fixture
def skip(bus: MemoryBus, ledger: Ledger) -> Skip:
    return Skip(ledger.database, LETTERS, lambda: bus)


def standing(bus: MemoryBus, ledger: Ledger, *, count: int = 0, **options: Any) -> BatchLoop:
    """A loop that stands before offset 2 of partition 0: a record, or a batch of `count`."""
    put(bus, 0, "a", "b")
    if count:
        bus.append_unreadable(TOPIC, 0, "its checksum is wrong", count=count)
    else:
        bus.append_unreadable(TOPIC, 0, WHY, left=(b"k", b"hidden"))
    put(bus, 0, "c")
    subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger, **options)
    turns(subject, 4)
    return subject


def noted(ledger: Ledger) -> list[tuple[int, int | None, str | None]]:
    rows = ledger.rows("SELECT * FROM consumer_position ORDER BY partition")
    return [(row.next_offset, row.unreadable_offset, row.unreadable_why) for row in rows]


class TestTheLoop:
    """It stops where it cannot read, and nowhere else."""

    def test_the_other_partitions_go_on(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = standing(bus, ledger)
        put(bus, 1, *words("other", 3))
        turns(subject, 2)
        assert ledger.entries(0) == ["a", "b"]
        assert ledger.entries(1) == words("other", 3)
        assert ledger.offsets() == {0: 2, 1: 3}

    def test_the_place_is_noted_with_the_position(self, bus: MemoryBus, ledger: Ledger) -> None:
        standing(bus, ledger)
        assert noted(ledger) == [(2, 2, WHY), (0, None, None)]

    def test_the_alarm_names_topic_partition_and_offset_once(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        with capture_logs() as lines:
            subject = standing(bus, ledger, assignment=AT_ONCE)
            turns(subject, 10)
        alarms = [line for line in lines if line["event"] == "partition_unreadable"]
        assert alarms == [
            {
                "event": "partition_unreadable",
                "log_level": "critical",
                "topic": TOPIC,
                "partition": 0,
                "offset": 2,
                "error": WHY,
            }
        ]

    def test_its_probe_names_the_place_and_stays_ready(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = standing(bus, ledger)
        answer = readyz({}, lambda: subject.summary)
        assert answer.status == 200
        assert f"{TOPIC}/0 cannot be read at offset 2: {WHY}" in answer.body.decode()

    def test_what_can_be_read_later_is_no_alarm_any_more(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        """The broker may have refused it for a while."""
        put(bus, 0, "a")
        bus.append_unreadable(TOPIC, 0, "the broker does not give it out")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger, assignment=AT_ONCE)
        turns(subject, 4)
        assert noted(ledger)[0][1] == 1
        bus.logs[P0].pop()
        turns(subject, 4)
        assert noted(ledger)[0] == (1, None, None)
        assert subject.summary == "ready"

    def test_a_paused_topic_is_read_again_only_when_it_is_resumed(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject, pausable = standing(bus, ledger, assignment=AT_ONCE), Pausable([TOPIC], "not here")
        with ledger.database.transaction() as tx:
            request = PauseRequest("somebody", "topic", TOPIC, "quiet", None)
            pauses.pause(tx, pausable, request)
        bus.remove(P0, [2])
        turns(subject, 4)
        assert ledger.entries(0) == ["a", "b"]
        assert noted(ledger)[0] == (2, 2, WHY)
        with ledger.database.transaction() as tx:
            pauses.resume(tx, pausable, request)
        turns(subject, 4)
        assert ledger.entries(0) == ["a", "b", "c"]


class TestSkip:
    """The command: exactly what cannot be read, exactly where the position stands."""

    def test_a_dry_run_names_it_and_changes_nothing(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip, capsys: pytest.CaptureFixture[str]
    ) -> None:
        standing(bus, ledger)
        assert skip_command(skip, given([TOPIC, "0", "2"])) == 0
        said = capsys.readouterr().out
        assert f"{TOPIC}/0 cannot be read at offset 2: {WHY}" in said
        assert "nothing was changed" in said
        unchanged(ledger)

    def test_the_loop_goes_on_behind_what_was_skipped(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip
    ) -> None:
        subject = standing(bus, ledger, assignment=AT_ONCE)
        assert skip_command(skip, given([*CONFIRMED, "2"])) == 0
        turns(subject, 4)
        assert ledger.entries(0) == ["a", "b", "c"]
        assert ledger.offsets()[0] == 4
        assert subject.summary == "ready"

    def test_letter_audit_and_position_are_one(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip
    ) -> None:
        standing(bus, ledger, count=3)
        assert skip_command(skip, given([*CONFIRMED, "2"])) == 0
        (letter,) = ledger.rows("SELECT * FROM dead_letter")
        assert (letter.topic, letter.partition, letter.record_offset) == (TOPIC, 0, 2)
        assert (letter.reason, letter.state) == (dead_letters.UNREADABLE_BATCH, "held")
        assert letter.detail == "offsets 2 to 4: its checksum is wrong"
        assert opened(RECORD_KEYS, letter).value == b"a broken batch"
        (entry,) = ledger.rows("SELECT * FROM audit")
        assert (entry.action, entry.kind, entry.subject) == ("skip", "records", f"{TOPIC}/0@2")
        assert (entry.who, entry.why, entry.count) == ("somebody", "bit rot", 3)
        assert ledger.offsets()[0] == 5

    @pytest.mark.parametrize("offset", ["0", "1", "3", "4"])
    def test_another_offset_than_that_of_the_position_is_refused(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip, offset: str
    ) -> None:
        standing(bus, ledger)
        assert skip_command(skip, given([*CONFIRMED, offset])) == 2
        unchanged(ledger)

    def test_what_can_be_read_is_not_skipped(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip, capsys: pytest.CaptureFixture[str]
    ) -> None:
        put(bus, 0, "a", "b")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject, 1)
        assert skip_command(skip, given([*CONFIRMED, "0"])) == 2
        assert "nothing is unreadable" in capsys.readouterr().err
        assert ledger.offsets()[0] == 0

    def test_it_loses_to_whoever_moved_the_position_meanwhile(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        standing(bus, ledger)

        def moved() -> MemoryBus:
            ledger.run("UPDATE consumer_position SET next_offset = 3 WHERE partition = 0")
            return bus

        assert skip_command(Skip(ledger.database, LETTERS, moved), given([*CONFIRMED, "2"])) == 2
        assert ledger.offsets()[0] == 3
        assert ledger.rows("SELECT * FROM dead_letter") == []
        assert ledger.rows("SELECT * FROM audit") == []

    def test_without_a_reason_nothing_is_skipped(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip
    ) -> None:
        standing(bus, ledger)
        assert skip_command(skip, given([TOPIC, "0", "2", "--confirm"])) == 2
        unchanged(ledger)

    def test_a_partition_without_a_position_is_refused(
        self, ledger: Ledger, skip: Skip, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert skip_command(skip, given([*CONFIRMED, "0"])) == 2
        assert f"{GROUP} has no position in {TOPIC}/0" in capsys.readouterr().err
        assert ledger.rows("SELECT * FROM audit") == []


class TestReplays:
    """What is left of it may be handled after all."""

    def test_a_record_whose_key_and_value_are_whole_is_handled(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip
    ) -> None:
        subject = standing(bus, ledger, assignment=AT_ONCE)
        skip_command(skip, given([*CONFIRMED, "2"]))
        ledger.run("UPDATE dead_letter SET state = 'queued'")
        turns(subject, 4)
        assert sorted(ledger.entries(0)) == ["a", "b", "c", "hidden"]
        assert [row.state for row in ledger.rows("SELECT * FROM every_letter")] == ["replayed"]

    def test_the_bytes_of_a_batch_are_no_record(
        self, bus: MemoryBus, ledger: Ledger, skip: Skip
    ) -> None:
        subject = standing(bus, ledger, count=3, assignment=AT_ONCE)
        skip_command(skip, given([*CONFIRMED, "2"]))
        ledger.run("UPDATE dead_letter SET state = 'queued'")
        turns(subject, 4)
        assert ledger.entries(0) == ["a", "b", "c"]
        (letter,) = ledger.rows("SELECT * FROM dead_letter")
        assert (letter.state, letter.reason) == ("held", dead_letters.UNREADABLE_BATCH)
        assert letter.detail == "offsets 2 to 4: its checksum is wrong"


def unchanged(ledger: Ledger) -> None:
    assert ledger.offsets()[0] == 2
    assert ledger.rows("SELECT * FROM dead_letter") == []
    assert ledger.rows("SELECT * FROM audit") == []
