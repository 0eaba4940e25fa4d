"""Letters and status over HTTP, on the API's role: who sees which, and never a value."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.postgres import Postgres
from rapport_runtime import dead_letters, outbox, positions
from rapport_runtime.auth import Principal
from rapport_runtime.batch import Letter
from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.dead_letters import DECIDE, READ, dead_letter_router
from rapport_runtime.http.redaction import structure
from rapport_runtime.http.status import status_router
from rapport_runtime.status_source import ChassisStatus
from rapport_runtime.tables import (
    CHASSIS,
    create_chassis_tables,
    create_control_tables,
    drop_chassis_tables,
    drop_control_tables,
)
from tests.support.ledger import GROUP, MIDNIGHT, TOPIC, partition, worker_database
from tests.unit.rapport_runtime.toy import CANARY, OPERATOR, PRACTICE, READER, FakeKeys, ask

TIMED = [partition(0), partition(1)]

pytestmark = pytest.mark.integration
SOUTH = {"Authorization": "Bearer south"}


@dataclass
class Migration:
    """What a service's migrations hand over."""

    tx: sa.Connection

    def execute(self, sqltext: str, /) -> None:
        self.tx.exec_driver_sql(sqltext)

    def get_bind(self) -> sa.Connection:
        return self.tx


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """A database as a service's migrations leave it."""
    database = create_database(postgres.url(), "letters", prefix="t_")
    owner = Database(database.owner_url, application_name="owner")
    with owner.transaction() as tx:
        create_chassis_tables(Migration(tx))
        create_control_tables(Migration(tx))
    yield database
    with owner.transaction() as tx:
        drop_control_tables(Migration(tx))
        drop_chassis_tables(Migration(tx))
    owner.close()
    drop_database(postgres.url(), "letters", prefix="t_")


@pytest.fixture
def worker(migrated: ServiceDatabase) -> Iterator[Database]:
    door = worker_database(migrated)
    yield door
    with door.transaction() as tx:
        for table in (*CHASSIS, "pause"):
            tx.execute(sa.delete(sa.table(table)))
    door.close()


@pytest.fixture
def app(migrated: ServiceDatabase) -> Iterator[FastAPI]:
    door = Database(migrated.api_url, application_name="api")
    both = frozenset({READ, DECIDE})
    keys = FakeKeys(
        {
            "practice": Principal("k1", "north", both),
            "reader": Principal("k2", "north", frozenset({READ})),
            "south": Principal("k4", "south", both),
            "operator": Principal("k3", None, both | {"status:read"}),
        }
    )
    service = Service(
        title="Toy", version="1", description="A toy.", keys=keys, cursor_key=b"k" * 32
    )
    routers = [
        dead_letter_router(door),
        status_router(ChassisStatus(door, "toy", GROUP, timed=TIMED)),
    ]
    yield create_app(service, routers)
    door.close()


def put_aside(
    worker: Database,
    practice: str | None,
    *offsets: int,
    value: bytes | None = b"{}",
    reason: str = "r",
) -> None:
    letters = [
        Letter(
            TopicPartition(TOPIC, 0),
            MemoryRecord(offset, b"client-7", value, (("h", b"abc"),), 1_700_000_000_000),
            InvalidRecord(reason, "why", field="/a", practice_id=practice),
        )
        for offset in offsets
    ]
    with worker.transaction() as tx:
        dead_letters.save(tx, GROUP, letters)


def listed(app: FastAPI, who: dict[str, str], query: str = "") -> list[Any]:
    answer = ask(app, "GET", "/v1/dead-letters" + query, headers=who)
    assert answer.status_code == 200, answer.text
    return [item["offset"] for item in answer.json()["items"]]


def the_id(app: FastAPI, who: dict[str, str]) -> int:
    items = ask(app, "GET", "/v1/dead-letters", headers=who).json()["items"]
    return int(items[0]["id"])


class TestWhoSeesWhat:
    """A practice its own, an operator those of nobody."""

    def test_lists(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, 2)
        put_aside(worker, "south", 3)
        put_aside(worker, None, 4)
        assert listed(app, PRACTICE) == [1, 2]
        assert listed(app, SOUTH) == [3]
        assert listed(app, OPERATOR) == [4]

    def test_another_practices_letter_is_not_there(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1)
        where = f"/v1/dead-letters/{the_id(app, PRACTICE)}"
        for who in (SOUTH, OPERATOR):
            assert ask(app, "GET", where, headers=who).status_code == 404
            for word in ("replay", "drop"):
                assert ask(app, "POST", f"{where}/{word}", headers=who).status_code == 404
            many = ask(app, "POST", "/v1/dead-letters/replay", headers=who, json={"count": 9})
            assert many.json() == {"queued": 0, "dry_run": False}
        assert ask(app, "GET", where, headers=PRACTICE).json()["state"] == "held"

    def test_reading_is_not_deciding(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1)
        where = f"/v1/dead-letters/{the_id(app, READER)}"
        assert ask(app, "POST", f"{where}/replay", headers=READER).status_code == 403
        assert ask(app, "POST", f"{where}/drop", headers=READER).status_code == 403
        many = ask(app, "POST", "/v1/dead-letters/replay", headers=READER, json={"count": 1})
        assert many.status_code == 403
        assert ask(app, "GET", "/v1/dead-letters").status_code == 401

    def test_row_security_alone_would_hold(
        self, migrated: ServiceDatabase, worker: Database
    ) -> None:
        put_aside(worker, "north", 1)
        put_aside(worker, None, 2)
        door = Database(migrated.api_url, application_name="api")
        seen = []
        for practice, operator in ((None, False), ("north", False), ("south", False), (None, True)):
            with door.transaction(practice, operator=operator) as tx:
                seen.append(
                    tx.execute(sa.text("SELECT record_offset FROM dead_letter")).scalars().all()
                )
        door.close()
        assert seen == [[], [1], [], [2]]


class TestListing:
    """Pages and filters."""

    def test_pages(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", *range(5))
        got: list[int] = []
        cursor = ""
        while True:
            path = f"/v1/dead-letters?limit=2{cursor}"
            page = ask(app, "GET", path, headers=PRACTICE).json()
            got += [item["offset"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert got == [0, 1, 2, 3, 4]

    def test_filters(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, reason="unreadable")
        put_aside(worker, "north", 2, reason="impossible")
        ask(app, "POST", f"/v1/dead-letters/{the_id(app, PRACTICE)}/drop", headers=PRACTICE)
        assert listed(app, PRACTICE, "?state=dropped") == [1]
        assert listed(app, PRACTICE, "?state=held") == [2]
        assert listed(app, PRACTICE, "?reason=impossible") == [2]
        assert listed(app, PRACTICE, f"?topic={TOPIC}") == [1, 2]
        assert listed(app, PRACTICE, "?topic=other") == []
        bad = ask(app, "GET", "/v1/dead-letters?state=lost", headers=PRACTICE)
        assert bad.status_code == 422


class TestInspecting:
    """The shape, never a value."""

    def test_no_value_is_shown(self, app: FastAPI, worker: Database) -> None:
        value = b'{"mail": "%s", "n": [1, 2.5, {"x": null}], "ok": true}' % CANARY.encode()
        put_aside(worker, "north", 1, value=value)
        where = f"/v1/dead-letters/{the_id(app, PRACTICE)}"
        answer = ask(app, "GET", where, headers=PRACTICE)
        assert CANARY not in answer.text
        assert "client-7" not in answer.text
        said = answer.json()
        assert said["structure"] == {
            "mail": "string",
            "n": ["integer", "number", {"x": "null"}],
            "ok": "boolean",
        }
        assert (said["key_bytes"], said["value_bytes"]) == (8, len(value))
        assert said["headers"] == [{"name": "h", "bytes": 3}]
        assert len(said["key_hash"]) == 16
        assert (said["reason"], said["field"], said["offset"]) == ("r", "/a", 1)

    @pytest.mark.parametrize(
        ("raw", "shape"),
        [
            (None, None),
            (b"\xff\xfe\xfa", None),
            (b"not json", None),
            (b"[" * 100_000, None),
            (b" " * 2_000_000 + b"1", None),
            (b"NaN", "number"),
            (b'"text"', "string"),
            (b"[1, 2, 3]", ["integer"]),
            (b"[" * 20 + b"]" * 20, [[[[[[[["array"]]]]]]]]),
        ],
    )
    def test_whatever_it_was(self, raw: bytes | None, shape: Any) -> None:
        assert structure(raw) == shape

    def test_hostile_names_stay_small(self) -> None:
        raw = b'{"' + b"x" * 500_000 + b'": 1, "\\ud800": 2}'
        assert structure(raw) == {"x" * 64: "integer", "?": "integer"}

    def test_a_tombstone(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, value=None)
        where = f"/v1/dead-letters/{the_id(app, PRACTICE)}"
        said = ask(app, "GET", where, headers=PRACTICE).json()
        assert (said["value_bytes"], said["structure"]) == (None, None)


class TestDeciding:
    """held -> queued -> replayed | held, or dropped."""

    def decide(self, app: FastAPI, word: str) -> Any:
        where = f"/v1/dead-letters/{the_id(app, PRACTICE)}/{word}"
        return ask(app, "POST", where, headers=PRACTICE)

    def test_a_replay_is_queued_and_twice_is_as_once(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1)
        for _ in range(2):
            answer = self.decide(app, "replay")
            assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        with worker.transaction() as tx:
            assert dead_letters.queued_partitions(tx, GROUP) == {partition(0)}

    def test_what_was_dropped_is_not_replayed(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1)
        first = self.decide(app, "drop").json()
        assert first["state"] == "dropped"
        assert first["decided_at"] is not None
        assert self.decide(app, "drop").json() == first
        assert self.decide(app, "replay").status_code == 409

    def test_what_was_replayed_may_be_replayed_again_but_not_dropped(
        self, app: FastAPI, worker: Database
    ) -> None:
        put_aside(worker, "north", 1)
        self.decide(app, "replay")
        with worker.transaction() as tx:
            taken = dead_letters.take_queued(tx, GROUP, partition(0), 10)
            dead_letters.mark_replayed(tx, taken)
        assert self.decide(app, "drop").status_code == 409
        assert self.decide(app, "replay").json()["state"] == "queued"

    def test_a_letter_that_is_not_there(self, app: FastAPI) -> None:
        for method, path in (("GET", "99"), ("POST", "99/replay"), ("POST", "99/drop")):
            answer = ask(app, method, f"/v1/dead-letters/{path}", headers=PRACTICE)
            assert answer.status_code == 404
        huge = ask(app, "GET", f"/v1/dead-letters/{2**70}", headers=PRACTICE)
        assert huge.status_code == 422

    def test_many_at_once_the_oldest_held_that_match(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, 2, 3, reason="unreadable")
        put_aside(worker, "north", 4, reason="impossible")
        put_aside(worker, "south", 5, reason="unreadable")
        self.decide(app, "drop")
        body = {"count": 1, "reason": "unreadable"}
        where = "/v1/dead-letters/replay"
        assert ask(app, "POST", where, headers=PRACTICE, json=body).json()["queued"] == 1
        assert listed(app, PRACTICE, "?state=queued") == [2]
        assert ask(app, "POST", where, headers=PRACTICE, json={"count": 99}).json()["queued"] == 2
        assert listed(app, SOUTH, "?state=held") == [5]
        for wrong in ({}, {"count": 0}, {"count": 1, "state": "dropped"}):
            assert ask(app, "POST", where, headers=PRACTICE, json=wrong).status_code == 422


class TestStatus:
    """How far the service has come."""

    def status(self, app: FastAPI) -> Any:
        answer = ask(app, "GET", "/v1/status", headers=OPERATOR)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def place(self, worker: Database, topic: str, number: int, instant: datetime | None) -> None:
        tp = TopicPartition(topic, number)
        with worker.transaction() as tx:
            positions.create(tx, GROUP, tp, topic_id="x", next_offset=3)
            if instant is not None:
                positions.reach(tx, GROUP, {tp: 3}, instant)

    def beat(self, worker: Database, name: str, held: list[str], lag: int, age: int = 0) -> None:
        with worker.transaction() as tx:
            tx.execute(
                sa.text("""
                    INSERT INTO worker (worker_id, consumer_group, started_at, progressed_at,
                        partitions, lag)
                    VALUES (:name, :group, now(), now() - make_interval(secs => :age), :held, :lag)
                """),
                {"name": name, "group": GROUP, "held": held, "lag": lag, "age": age},
            )

    def test_of_nothing(self, app: FastAPI, worker: Database) -> None:
        del worker
        said = self.status(app)
        assert said["service"] == "toy"
        for part in ("business_time", "lag", "oldest_unpublished_at"):
            assert said[part] is None
        assert (said["partitions"], said["workers"]) == ([], [])

    def test_business_time_is_the_least_once_all_have_one(
        self, app: FastAPI, worker: Database
    ) -> None:
        self.place(worker, TOPIC, 0, MIDNIGHT + timedelta(days=1))
        self.place(worker, TOPIC, 1, None)
        self.place(worker, "practices.v1", 0, None)
        assert self.status(app)["business_time"] is None
        self.place(worker, TOPIC, 1, MIDNIGHT)
        said = self.status(app)
        assert datetime.fromisoformat(said["business_time"]) == MIDNIGHT
        assert [part["position"] for part in said["partitions"]] == [3, 3, 3]

    def test_with_the_timed_partitions_named_all_of_them_count(
        self, migrated: ServiceDatabase, worker: Database
    ) -> None:
        self.place(worker, TOPIC, 0, MIDNIGHT)
        door = Database(migrated.api_url, application_name="api")
        one = ChassisStatus(door, "toy", GROUP, timed=[partition(0)]).status()
        two = ChassisStatus(door, "toy", GROUP, timed=[partition(0), partition(1)]).status()
        door.close()
        assert (one.business_time, two.business_time) == (MIDNIGHT, None)

    def test_lag_is_told_only_when_every_partition_is_held_by_somebody_alive(
        self, app: FastAPI, worker: Database
    ) -> None:
        self.place(worker, TOPIC, 0, None)
        self.place(worker, TOPIC, 1, None)
        self.beat(worker, "a", [f"{TOPIC}/0"], 5)
        assert self.status(app)["lag"] is None
        self.beat(worker, "dead", [f"{TOPIC}/1"], 7, age=60)
        assert self.status(app)["lag"] is None
        self.beat(worker, "b", [f"{TOPIC}/1"], 2)
        said = self.status(app)
        assert said["lag"] == 7
        assert [row["id"] for row in said["workers"]] == ["a", "b", "dead"]

    def test_the_oldest_unpublished_row(self, app: FastAPI, worker: Database) -> None:
        with worker.transaction() as tx:
            outbox.append(tx, [Outgoing(TOPIC, 0, b"k", b"v")])
        said = self.status(app)
        oldest = datetime.fromisoformat(said["oldest_unpublished_at"])
        assert oldest <= datetime.fromisoformat(said["as_of"])

    def test_it_is_for_operators(self, app: FastAPI) -> None:
        assert ask(app, "GET", "/v1/status", headers=PRACTICE).status_code == 403
