"""Dead letters and status over HTTP: each caller sees its own, and nobody sees a value."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.redaction import structure
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.ops.status_routes import status_router
from rapport_runtime.sealing import Keyring
from rapport_runtime.stream.batch import DeadLetter, Sender
from rapport_runtime.stream.dead_letters.routes import (
    DECIDE,
    READ,
    LetterOrigin,
    dead_letter_router,
)
from rapport_runtime.stream.dead_letters.table import DeadLetterTable, mark_replayed
from tests.support.doubles.known_secrets import KNOWN_KEY, RECORD_KEYS
from tests.support.servers.app_calls import ask
from tests.support.worlds.toy_ledger import GROUP, TOPIC, partition
from tests.unit.rapport_runtime.toy import CANARY, OPERATOR, PRACTICE, READER, FakeKeys

TIMED = [partition(0), partition(1)]

pytestmark = pytest.mark.integration
LETTERS = DeadLetterTable(GROUP, RECORD_KEYS)
SOUTH = {"Authorization": "Bearer south"}


@pytest.fixture
def app(migrated: ServiceDatabase) -> Iterator[FastAPI]:
    database = Database(migrated.api_url, application_name="api")
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
        dead_letter_router(database, LetterOrigin(TOPIC, GROUP), RECORD_KEYS),
        status_router(DatabaseStatus(database, "toy", GROUP, timed=TIMED)),
    ]
    yield create_app(service, routers)
    database.close()


def put_aside(
    worker: Database,
    practice: str | None,
    *offsets: int,
    value: bytes | None = b"{}",
    reason: str = "r",
    names: str | None = None,
) -> None:
    """`practice` owns the letters, `names` is the practice that the records name."""
    letters = [
        DeadLetter(
            TopicPartition(TOPIC, 0),
            MemoryRecord(offset, b"client-7", value, (("h", b"abc"),), 1_700_000_000_000),
            InvalidRecord(reason, "why", field="/a", practice_id=practice),
            Sender(names),
        )
        for offset in offsets
    ]
    with worker.transaction() as tx:
        LETTERS.save(tx, letters)


def listed(app: FastAPI, headers: dict[str, str], query: str = "") -> list[Any]:
    answer = ask(app, "GET", "/v1/dead-letters" + query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [item["offset"] for item in answer.json()["items"]]


def audited(worker: Database) -> list[tuple[Any, ...]]:
    with worker.transaction() as tx:
        statement = "SELECT who, action, subject, why, count FROM audit ORDER BY id"
        return [tuple(row) for row in fetch(tx, statement)]


def the_id(app: FastAPI, headers: dict[str, str]) -> int:
    items = ask(app, "GET", "/v1/dead-letters", headers=headers).json()["items"]
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

    def test_a_record_that_names_a_practice_is_seen_by_it_and_by_operators(
        self, app: FastAPI, worker: Database
    ) -> None:
        """Nobody has verified the name; what has an owner is the owner's, whomever it names."""
        put_aside(worker, None, 1, names="north")
        put_aside(worker, "north", 2, names="south")
        assert listed(app, PRACTICE) == [1, 2]
        assert listed(app, OPERATOR) == [1]
        assert listed(app, SOUTH) == []
        where = f"/v1/dead-letters/{the_id(app, OPERATOR)}"
        for headers in (PRACTICE, OPERATOR):
            assert ask(app, "GET", where, headers=headers).json()["practice_id"] == "north"
            assert ask(app, "POST", f"{where}/replay", headers=headers).status_code == 202
        assert ask(app, "GET", where, headers=SOUTH).status_code == 404
        assert ask(app, "POST", f"{where}/drop", headers=SOUTH).status_code == 404

    def test_another_practices_letter_is_not_there(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1)
        where = f"/v1/dead-letters/{the_id(app, PRACTICE)}"
        for headers in (SOUTH, OPERATOR):
            assert ask(app, "GET", where, headers=headers).status_code == 404
            for word in ("replay", "drop"):
                assert ask(app, "POST", f"{where}/{word}", headers=headers).status_code == 404
            many = ask(app, "POST", "/v1/dead-letters/replay", headers=headers, json={"count": 9})
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
        put_aside(worker, None, 3, names="north")
        database = Database(migrated.api_url, application_name="api")
        seen = []
        for practice, operator in ((None, False), ("north", False), ("south", False), (None, True)):
            with database.transaction(practice, operator=operator) as tx:
                rows = fetch(tx, "SELECT record_offset FROM every_letter")
            seen.append([row.record_offset for row in rows])
        database.close()
        assert seen == [[], [1, 3], [], [2, 3]]


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
        letter = answer.json()
        assert letter["structure"] == {
            "mail": "string",
            "n": ["integer", "number", {"x": "null"}],
            "ok": "boolean",
        }
        assert (letter["key_bytes"], letter["value_bytes"]) == (8, len(value))
        assert letter["headers"] == [{"name": "h", "bytes": 3}]
        assert len(letter["key_hash"]) == 16
        assert (letter["reason"], letter["field"], letter["offset"]) == ("r", "/a", 1)

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
        letter = ask(app, "GET", where, headers=PRACTICE).json()
        assert (letter["value_bytes"], letter["structure"]) == (None, None)

    def test_one_whose_key_is_gone_is_listed_and_named(
        self, app: FastAPI, worker: Database
    ) -> None:
        lost = DeadLetterTable(GROUP, Keyring({"k9": KNOWN_KEY}, active="k9"))
        with worker.transaction() as tx:
            record = MemoryRecord(1, b"k", b"{}", (), 0)
            error = InvalidRecord("r", "why", practice_id="north")
            lost.save(tx, [DeadLetter(partition(0), record, error)])
        put_aside(worker, "north", 2)
        assert listed(app, PRACTICE) == [1, 2]
        first = the_id(app, PRACTICE)
        answer = ask(app, "GET", f"/v1/dead-letters/{first}", headers=PRACTICE)
        assert answer.status_code == 503
        assert answer.json()["detail"] == (f"letter {first} cannot be opened: there is no key 'k9'")
        assert ask(app, "GET", f"/v1/dead-letters/{first + 1}", headers=PRACTICE).is_success


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
            assert LETTERS.queued_partitions(tx) == {partition(0)}

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
            taken = LETTERS.take_queued(tx, partition(0), 10)
            mark_replayed(tx, taken)
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


class TestReplayPolicies:
    """Which, how many, which first; and a dry run that changes nothing."""

    def replay(self, app: FastAPI, **body: Any) -> int:
        where = "/v1/dead-letters/replay"
        answer = ask(app, "POST", where, headers=PRACTICE, json=body)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["queued"])

    def test_a_dry_run_counts_and_changes_nothing(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, 2, 3)
        put_aside(worker, "south", 4)
        assert self.replay(app, count=2, dry_run=True) == 2
        assert self.replay(app, count=9, dry_run=True) == 3
        assert listed(app, PRACTICE, "?state=held") == [1, 2, 3]
        assert audited(worker) == []

    def test_the_newest_first_and_only_of_a_field(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, 2, 3)
        assert self.replay(app, count=9, field="/b") == 0
        assert self.replay(app, count=2, field="/a", order="newest") == 2
        assert listed(app, PRACTICE, "?state=queued") == [2, 3]
        assert listed(app, PRACTICE, "?field=/a&state=held") == [1]

    def test_what_changes_something_is_audited_once(self, app: FastAPI, worker: Database) -> None:
        put_aside(worker, "north", 1, 2, 3)
        self.replay(app, count=2, reason="r", why="mended")
        assert self.replay(app, count=2, reason="other") == 0
        letter = ask(app, "GET", "/v1/dead-letters?state=held", headers=PRACTICE).json()
        where = f"/v1/dead-letters/{letter['items'][0]['id']}"
        for _ in range(2):
            ask(app, "POST", f"{where}/drop?why=test+data", headers=PRACTICE)
        ask(app, "POST", f"{where}/replay", headers=PRACTICE)  # refused: it was dropped
        one = where.rpartition("/")[2]
        assert audited(worker) == [
            ("key k1", "replay", "reason=r", "mended", 2),
            ("key k1", "drop", one, "test data", 1),
        ]
