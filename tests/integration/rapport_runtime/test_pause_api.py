"""`/v1/pauses` and `/v1/audit`: for operators alone, the same twice, and never forgotten."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, execute
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.ops import audit
from rapport_runtime.ops.pause_routes import READ, WRITE, pauses_router
from rapport_runtime.ops.pauses import Pausable
from tests.support.servers.app_calls import ask
from tests.support.worlds.toy_ledger import TOPIC
from tests.unit.rapport_runtime.toy import OPERATOR, PRACTICE, READER, FakeKeys

pytestmark = pytest.mark.integration
WHY = "complaint, ticket 7"
BODY = {"kind": "practice", "subject": "north", "why": WHY}


@pytest.fixture
def app(migrated: ServiceDatabase) -> Iterator[FastAPI]:
    database = Database(migrated.api_url, application_name="api")
    both = frozenset({READ, WRITE})
    keys = FakeKeys(
        {
            "practice": Principal("k1", "north", both),
            "reader": Principal("k2", None, frozenset({READ})),
            "operator": Principal("k3", None, both),
        }
    )
    service = Service(
        title="Toy", version="1", description="A toy.", keys=keys, cursor_key=b"k" * 32
    )
    pausable = Pausable([TOPIC], lambda _tx, name: name in {"north", "south"})
    yield create_app(service, [pauses_router(database, pausable)])
    database.close()


def post(app: FastAPI, path: str, headers: dict[str, str] = OPERATOR, **body: Any) -> Any:
    return ask(app, "POST", f"/v1/{path}", headers=headers, json=body)


def items(app: FastAPI, path: str) -> list[Any]:
    answer = ask(app, "GET", f"/v1/{path}", headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


class TestPausing:
    """Pause, look, resume; each of them twice."""

    def test_twice_is_as_once_and_is_audited_once(self, app: FastAPI, worker: Database) -> None:
        del worker
        for changed in (True, False):
            told = post(app, "pauses", **BODY).json()
            assert told == {"changed": changed, "paused": True, "until": None}
        (pause,) = items(app, "pauses")
        assert (pause["kind"], pause["subject"], pause["who"]) == ("practice", "north", "key k3")
        assert (pause["why"], pause["until"]) == (WHY, None)
        for changed in (True, False):
            answer = post(app, "pauses/resume", **BODY)
            assert (answer.status_code, answer.json()["changed"]) == (200, changed)
        assert items(app, "pauses") == []
        entries = items(app, "audit")
        assert [(entry["action"], entry["who"], entry["why"]) for entry in entries] == [
            ("pause", "key k3", WHY),
            ("resume", "key k3", WHY),
        ]

    def test_a_later_end_replaces_the_old_and_keeps_since(
        self, app: FastAPI, worker: Database
    ) -> None:
        del worker
        post(app, "pauses", **BODY, until="2998-01-01T00:00:00Z")
        (first,) = items(app, "pauses")
        answer = post(app, "pauses", **BODY, until="2999-01-01T00:00:00+08:00")
        assert answer.json()["changed"]
        (second,) = items(app, "pauses")
        assert second["until"].startswith("2998-12-31T16:00:00")
        assert second["since"] == first["since"]

    def test_an_earlier_end_changes_nothing_and_the_answer_tells_the_end_in_force(
        self, app: FastAPI, worker: Database
    ) -> None:
        del worker
        post(app, "pauses", **BODY)
        shorter = BODY | {"why": "again", "until": "2999-01-01T00:00:00Z"}
        told = post(app, "pauses", **shorter).json()
        assert told == {"changed": False, "paused": True, "until": None}
        (pause,) = items(app, "pauses")
        assert (pause["why"], pause["until"]) == (WHY, None)
        assert len(items(app, "audit")) == 1

    def test_of_what_is_not_known_nothing_is_resumed(self, app: FastAPI, worker: Database) -> None:
        del worker
        for changes in ({"subject": "nroth"}, {"kind": "topic", "subject": "x.v1"}):
            assert post(app, "pauses/resume", **(BODY | changes)).status_code == 404

    def test_what_has_ended_is_not_in_force_and_can_begin_anew(
        self, app: FastAPI, worker: Database
    ) -> None:
        post(app, "pauses", **BODY, until="2999-01-01T00:00:00Z")
        (first,) = items(app, "pauses")
        with worker.transaction() as tx:
            execute(tx, "UPDATE pause SET ends_at = clock_timestamp()")
        assert items(app, "pauses") == []
        assert post(app, "pauses", **BODY).json()["changed"]
        (second,) = items(app, "pauses")
        assert second["since"] > first["since"]

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            pytest.param({"subject": "nroth"}, 404, id="a practice that nobody knows"),
            pytest.param({"kind": "topic", "subject": "x.v1"}, 404, id="a topic not read here"),
            pytest.param({"kind": "worker", "subject": "host-1"}, 404, id="no such worker"),
            pytest.param({"until": "2020-01-01T00:00:00Z"}, 409, id="an end that has passed"),
            pytest.param({"until": "2999-01-01T00:00:00"}, 422, id="an end without a zone"),
            pytest.param({"why": ""}, 422, id="without a reason"),
            pytest.param({"why": "  "}, 422, id="with a blank reason"),
            pytest.param({"why": "a\0b"}, 400, id="with what Postgres cannot hold"),
            pytest.param({"kind": "client"}, 422, id="a kind that there is not"),
            pytest.param({"subject": "a b"}, 422, id="a name that cannot be"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, app: FastAPI, worker: Database, changes: dict[str, str], status: int
    ) -> None:
        del worker
        answer = post(app, "pauses", **(BODY | changes))
        assert answer.status_code == status, answer.text
        assert items(app, "pauses") == items(app, "audit") == []

    def test_where_practices_cannot_be_paused_it_says_why(self, migrated: ServiceDatabase) -> None:
        database = Database(migrated.api_url, application_name="api")
        keys = FakeKeys({"operator": Principal("k3", None, frozenset({WRITE}))})
        service = Service(
            title="Toy", version="1", description="A toy.", keys=keys, cursor_key=b"k" * 32
        )
        router = pauses_router(database, Pausable([TOPIC], "time would go on"))
        app = create_app(service, [router])
        answers = [post(app, path, **BODY) for path in ("pauses", "pauses/resume")]
        database.close()
        for answer in answers:
            assert answer.status_code == 409
            assert answer.json()["type"] == "urn:rapport:problem:cannot-pause"
            assert answer.json()["detail"] == "time would go on"


class TestWho:
    """Operators with the scope; nobody else, not by row security alone either."""

    @pytest.mark.parametrize("path", ["pauses", "audit"])
    def test_reading_is_for_operators(self, app: FastAPI, path: str) -> None:
        assert ask(app, "GET", f"/v1/{path}").status_code == 401
        assert ask(app, "GET", f"/v1/{path}", headers=PRACTICE).status_code == 403
        assert ask(app, "GET", f"/v1/{path}", headers=READER).status_code == 200

    @pytest.mark.parametrize("path", ["pauses", "pauses/resume"])
    def test_deciding_needs_its_own_scope(self, app: FastAPI, path: str) -> None:
        assert post(app, path, PRACTICE, **BODY).status_code == 403
        assert post(app, path, READER, **BODY).status_code == 403

    def test_a_practices_transaction_writes_the_audit_but_reads_none(
        self, migrated: ServiceDatabase, worker: Database
    ) -> None:
        database = Database(migrated.api_url, application_name="api")
        with database.transaction("north") as tx:
            audit.record(tx, audit.AuditEntry("key k1", "drop", "letters", "1", None))
        with database.transaction("north") as tx:
            assert audit.page(tx, after=0, limit=9) == []
        database.close()
        with worker.transaction() as tx:
            assert len(audit.page(tx, after=0, limit=9)) == 1

    @pytest.mark.parametrize("change", ["UPDATE audit SET why = 'x'", "DELETE FROM audit"])
    def test_nobody_changes_what_was_done(
        self, app: FastAPI, worker: Database, migrated: ServiceDatabase, change: str
    ) -> None:
        post(app, "pauses", **BODY)
        owner = Database(migrated.owner_url, application_name="owner")
        for database in (worker, owner):
            with pytest.raises(psycopg.Error), database.transaction() as tx:
                execute(tx, change)
        owner.close()
        assert len(items(app, "audit")) == 1


def test_both_lists_come_in_pages(app: FastAPI, worker: Database) -> None:
    del worker
    for subject in ("south", "north"):
        post(app, "pauses", **(BODY | {"subject": subject}))
    post(app, "pauses", kind="worker", subject="*", why=WHY)
    for path, key in (("pauses", "subject"), ("audit", "subject")):
        got: list[str] = []
        cursor = ""
        while True:
            where = f"/v1/{path}?limit=1{cursor}"
            page = ask(app, "GET", where, headers=OPERATOR).json()
            got += [item[key] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        expected = ["north", "south", "*"] if path == "pauses" else ["south", "north", "*"]
        assert got == expected
