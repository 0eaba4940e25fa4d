"""What operators stop stands still, exactly and at once; what they let go on has lost nothing."""

from collections.abc import Callable

import pytest

from rapport_runtime.bus.memory import MemoryBus, MemoryConsumer
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.http.probes import readyz
from rapport_runtime.ops import operators, pause_cli, pauses
from rapport_runtime.ops.pauses import EVERY_WORKER, Kind, Pausable, PauseRequest, this_worker
from rapport_runtime.stream import positions
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.watermarks import ReadToEnd
from tests.support.worlds.toy_ledger import (
    GROUP,
    MIDNIGHT,
    NEVER,
    TOPIC,
    Ledger,
    at,
    eager_loop_of,
    partition,
    put,
    turns,
)

pytestmark = pytest.mark.integration
OTHER = "other.v1"
PAUSABLE = Pausable([TOPIC, OTHER], "not here: pause the topic")


def request(kind: Kind, subject: str) -> PauseRequest:
    return PauseRequest("somebody", kind, subject, "a test")


def pause(ledger: Ledger, kind: Kind, subject: str) -> bool:
    with ledger.database.transaction() as tx:
        return pauses.pause(tx, PAUSABLE, request(kind, subject)).changed


def resume(ledger: Ledger, kind: Kind, subject: str) -> bool:
    with ledger.database.transaction() as tx:
        return pauses.resume(tx, PAUSABLE, request(kind, subject))


def running(bus: MemoryBus, ledger: Ledger, *topics: str) -> BatchLoop:
    """A loop that holds its partitions."""
    subject = eager_loop_of(bus.consumer(GROUP, topics or (TOPIC,)), ledger)
    subject.turn(NEVER)
    assert subject.assigned
    return subject


class TestATopic:
    """Its partitions are not read, its position and time stay; other topics go on."""

    def test_stands_still_and_goes_on_where_it_stood(self, bus: MemoryBus, ledger: Ledger) -> None:
        bus.create(OTHER, 1)
        subject = running(bus, ledger, TOPIC, OTHER)
        put(bus, 0, "a")
        turns(subject, 4)
        assert pause(ledger, "topic", TOPIC)
        put(bus, 0, "b", "mark:1")
        put(bus, 0, "other", topic=OTHER)
        turns(subject, 4)
        assert ledger.entries() == ["a", "other"]
        assert subject.positions[partition(0)].next_offset == 1
        assert subject.positions[partition(0)].processed_through is None
        assert resume(ledger, "topic", TOPIC)
        turns(subject, 4)
        assert ledger.entries() == ["a", "other", "b", "mark:1"]

    def test_stays_so_over_a_rebalance_and_a_rollback(self, bus: MemoryBus, ledger: Ledger) -> None:
        bus.create(OTHER, 1)
        subject = running(bus, ledger, TOPIC, OTHER)
        pause(ledger, "topic", TOPIC)
        turns(subject, 4)
        put(bus, 0, "a")
        bus.rebalance(GROUP)
        turns(subject, 4)
        put(bus, 0, "other", topic=OTHER)
        ledger.later = 1
        turns(subject, 4)
        assert ledger.entries() == ["other"]
        resume(ledger, "topic", TOPIC)
        turns(subject, 4)
        assert ledger.entries() == ["other", "a"]

    @pytest.mark.parametrize("mutant", [False, True])
    def test_a_pause_is_obeyed_by_the_claim_itself(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        """The records are in hand already when the pause commits."""
        if mutant:
            check = f"AND NOT {pauses.paused('topic', 'p.topic')}"
            assert positions._CLAIM.count(check) == 1
            blind = positions._CLAIM.replace(check, "")
            monkeypatch.setattr(positions, "_CLAIM", blind)
        subject = running(bus, ledger)
        put(bus, 0, "a")
        with at("polled", lambda: pause(ledger, "topic", TOPIC)):
            subject.turn(NEVER)
        survives = ledger.entries() == []
        assert survives is not mutant
        resume(ledger, "topic", TOPIC)
        turns(subject, 4)
        assert ledger.entries() == ["a"]

    def test_its_time_stands_still_though_all_is_read(self, bus: MemoryBus, ledger: Ledger) -> None:
        consumer = bus.consumer(GROUP, [TOPIC])
        subject = eager_loop_of(consumer, ledger)
        turns(subject, 4)
        reader = ReadToEnd(ledger.database, GROUP, lambda _tx: MIDNIGHT, jumps=True)
        pause(ledger, "topic", TOPIC)
        reader.observe(consumer, subject)  # the loop has not looked yet: the claim knows
        turns(subject, 4)
        reader.observe(consumer, subject)
        assert {p.processed_through for p in subject.positions.values()} == {None}
        resume(ledger, "topic", TOPIC)
        turns(subject, 4)
        reader.observe(consumer, subject)
        assert {p.processed_through for p in subject.positions.values()} == {MIDNIGHT}

    def test_dead_letters_of_it_wait_too(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = running(bus, ledger)
        put(bus, 0, "bad:1")
        turns(subject, 4)
        ledger.heal = {"bad:1"}
        pause(ledger, "topic", TOPIC)
        ledger.run("UPDATE dead_letter SET state = 'queued'")
        turns(subject, 4)
        assert ledger.entries() == []
        resume(ledger, "topic", TOPIC)
        turns(subject, 4)
        assert ledger.entries() == ["bad:1"]


class TestAWorker:
    """It finishes what it holds and takes no more, keeps its partitions, and is not stuck."""

    @pytest.mark.parametrize("subject_of", [lambda: EVERY_WORKER, this_worker], ids=["*", "itself"])
    def test_takes_no_more_until_it_is_resumed(
        self, bus: MemoryBus, ledger: Ledger, subject_of: Callable[[], str]
    ) -> None:
        name = subject_of()
        ledger.run(
            "INSERT INTO worker (worker_id, consumer_group, started_at, progressed_at, partitions)"
            " VALUES (%(id)s, %(group)s, now(), now(), '{}')",
            id=this_worker(),
            group=GROUP,
        )
        subject = running(bus, ledger)
        pause(ledger, "worker", name)
        with ledger.database.transaction() as tx:
            assert [each.subject for each in pauses.in_force(tx)] == [name]
        put(bus, 0, "a")
        put(bus, 1, "b")
        turns(subject, 4)
        assert ledger.entries() == []
        assert subject.assigned
        assert readyz({}, subject.stopped.summary).status == 200
        assert b'"paused"' in readyz({}, subject.stopped.summary).body
        resume(ledger, "worker", name)
        turns(subject, 4)
        assert sorted(ledger.entries()) == ["a", "b"]
        assert subject.stopped.summary() == "ready"

    def test_another_ones_pause_is_not_ours(self, bus: MemoryBus, ledger: Ledger) -> None:
        ledger.run(
            "INSERT INTO pause (kind, subject, who, why) VALUES ('worker', 'else-1', 'x', 'y')"
        )
        subject = running(bus, ledger)
        put(bus, 0, "a")
        turns(subject, 4)
        assert ledger.entries() == ["a"]

    def test_a_pause_of_one_process_is_not_obeyed_by_its_successor(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        """Host and PID are the same when a container starts again."""
        before = this_worker()
        ledger.run(
            "INSERT INTO pause (kind, subject, who, why) VALUES ('worker', %(id)s, 'x', 'y')",
            id=before,
        )
        with ledger.database.transaction() as tx:
            assert pauses.in_force(tx) == []  # so no alert is kept quiet by it
        pauses._this_start.cache_clear()
        assert this_worker().rpartition("-")[0] == before.rpartition("-")[0]
        subject = running(bus, ledger)
        put(bus, 0, "a")
        turns(subject, 4)
        assert ledger.entries() == ["a"]

    def test_it_stays_a_member_of_its_group(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = running(bus, ledger)
        pause(ledger, "worker", EVERY_WORKER)
        turns(subject, 4)
        assert len(bus.members[GROUP]) == 1
        assert isinstance(bus.members[GROUP][0], MemoryConsumer)

    def test_a_pause_ends_by_itself(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = running(bus, ledger)
        pause(ledger, "worker", EVERY_WORKER)
        put(bus, 0, "a")
        turns(subject, 4)
        ledger.run("UPDATE pause SET ends_at = clock_timestamp()")
        turns(subject, 4)
        assert ledger.entries() == ["a"]
        assert not resume(ledger, "worker", EVERY_WORKER)


class TestTheCommands:
    """`pause`, `resume`, `pauses`, `audit` as an operator gives them on a worker's host."""

    def give(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str], name: str, *argv: str
    ) -> tuple[int, str]:
        code = pause_cli.commands(PAUSABLE)[name](ledger.database, b"", argv)
        printed = capsys.readouterr()
        return code, (printed.out + printed.err).strip()

    @pytest.fixture(autouse=True)
    def somebody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(operators, "account_name", lambda: "ann at db1")

    def test_all_of_a_pauses_life(self, ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ("topic", TOPIC, "--why", "ticket 7", "--by", "ann")
        assert self.give(ledger, capsys, "pause", *arguments) == (0, f"topic {TOPIC}: paused")
        again = self.give(ledger, capsys, "pause", *arguments)
        assert again == (0, f"topic {TOPIC}: was paused already")
        _, listed = self.give(ledger, capsys, "pauses")
        assert listed.split("\t")[:2] == ["topic", TOPIC]
        assert listed.split("\t")[3:] == ["until resumed", "ann", "ticket 7"]
        assert self.give(ledger, capsys, "resume", *arguments)[1] == f"topic {TOPIC}: resumed"
        assert (
            self.give(ledger, capsys, "resume", *arguments)[1] == f"topic {TOPIC}: was not paused"
        )
        _, entries = self.give(ledger, capsys, "audit")
        assert [line.split("\t")[1:] for line in entries.splitlines()] == [
            ["ann", action, "topic", TOPIC, "1", "ticket 7"] for action in ("pause", "resume")
        ]

    def test_hours_make_an_end(self, ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
        self.give(ledger, capsys, "pause", "worker", "*", "--why", "x", "--hours", "2")
        (row,) = ledger.rows("SELECT ends_at - paused_at AS lasts FROM pause")
        assert abs(row.lasts.total_seconds() - 7200) < 60
        ended = self.give(ledger, capsys, "pause", "worker", "*", "--why", "x", "--hours", "0")
        assert ended == (2, "`until` has passed already")

    def test_a_second_pause_never_shortens_the_first_and_says_so(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        complaint = ("topic", TOPIC, "--why", "complaint, ticket 4711", "--by", "ann")
        self.give(ledger, capsys, "pause", *complaint)
        again = ("topic", TOPIC, "--why", "again", "--by", "ben", "--hours", "2")
        code, told = self.give(ledger, capsys, "pause", *again)
        assert (code, told) == (
            0,
            f"topic {TOPIC}: stays paused until resumed by ann (complaint, ticket 4711):"
            " a pause is never shortened; to end it earlier, resume it",
        )
        (row,) = ledger.rows("SELECT ends_at, who, why FROM pause")
        assert tuple(row) == (None, "ann", "complaint, ticket 4711")
        assert len(ledger.rows("SELECT 1 FROM audit")) == 1

    def test_a_second_pause_with_a_later_end_replaces_the_first(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for hours, whose in (("3", "ann"), ("1", "ben"), ("5", "cem")):
            arguments = ("--why", f"for {hours}", "--by", whose, "--hours", hours)
            self.give(ledger, capsys, "pause", "topic", TOPIC, *arguments)
        (row,) = ledger.rows("SELECT who, why FROM pause")
        assert tuple(row) == ("cem", "for 5")
        assert [row.who for row in ledger.rows("SELECT who FROM audit ORDER BY id")] == [
            *("ann", "cem")
        ]
        code, told = self.give(
            *(ledger, capsys, "pause", "topic", TOPIC, "--why", "for good", "--by", "dee")
        )
        assert (code, told) == (0, f"topic {TOPIC}: paused")
        (row,) = ledger.rows("SELECT ends_at, who FROM pause")
        assert tuple(row) == (None, "dee")

    @pytest.mark.parametrize("command", ["pause", "resume"])
    @pytest.mark.parametrize(
        ("what", "answer"),
        [
            (("practice", "north"), "not here: pause the topic"),
            (("topic", "unheard.v1"), f"this service reads {TOPIC}, {OTHER}"),
            (("worker", "nobody-1"), "workers are: none; * is all of them"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_the_reason(
        self,
        ledger: Ledger,
        capsys: pytest.CaptureFixture[str],
        command: str,
        what: tuple[str, str],
        answer: str,
    ) -> None:
        assert self.give(ledger, capsys, command, *what, "--why", "x") == (2, answer)
        assert ledger.rows("SELECT 1 FROM pause") == []
        assert ledger.rows("SELECT 1 FROM audit") == []

    def test_what_has_gone_since_it_was_paused_can_be_resumed(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ledger.run(
            "INSERT INTO pause (kind, subject, who, why) VALUES ('worker', 'gone-1', 'x', 'y')"
        )
        arguments = ("worker", "gone-1", "--why", "x")
        assert self.give(ledger, capsys, "resume", *arguments) == (0, "worker gone-1: resumed")
        assert self.give(ledger, capsys, "resume", *arguments)[0] == 2

    def test_nobody_acts_without_a_name(
        self, ledger: Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a container the account is a number without a name, the same for everybody."""
        monkeypatch.setattr(operators, "account_name", lambda: None)
        for command in ("pause", "resume"):
            code, told = self.give(ledger, capsys, command, "topic", TOPIC, "--why", "x")
            assert code == 2
            assert told.startswith("say who you are: --by")
        assert ledger.rows("SELECT 1 FROM audit") == []
        assert self.give(ledger, capsys, "pauses") == (0, "")


def test_what_one_loop_holds_back_a_partition_that_comes_later_is_held_back_too(
    bus: MemoryBus, ledger: Ledger
) -> None:
    pause(ledger, "topic", TOPIC)
    put(bus, 0, "a")
    subject = running(bus, ledger)
    turns(subject, 4)
    assert ledger.entries() == []
    assert subject.positions[TopicPartition(TOPIC, 0)].next_offset == 0
