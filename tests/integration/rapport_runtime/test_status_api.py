"""`/v1/status`, and the same for Prometheus: how far a service has come, on the API's role."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.port import Outgoing, RecordParts, TopicPartition, Unreadable
from rapport_runtime.database import Database, execute
from rapport_runtime.http import probes
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.metrics import METRICS
from rapport_runtime.ops.gauges import DatabaseGauges
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.ops.status_routes import status_router
from rapport_runtime.stream import outbox, positions
from rapport_runtime.stream.positions import OffsetAdvance
from tests.support.servers.app_calls import ask
from tests.support.worlds.toy_ledger import GROUP, MIDNIGHT, TOPIC, partition
from tests.unit.rapport_runtime.toy import OPERATOR, PRACTICE, FakeKeys

TIMED = [partition(0), partition(1)]

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def gauges_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app remembers them for some seconds; these tests look twice."""
    monkeypatch.setattr(probes, "GAUGES_SECONDS", 0.0)


@pytest.fixture
def app(migrated: ServiceDatabase) -> Iterator[FastAPI]:
    database = Database(migrated.api_url, application_name="api")
    keys = FakeKeys(
        {
            "practice": Principal("k1", "north", frozenset({"status:read"})),
            "operator": Principal("k3", None, frozenset({"status:read"})),
        }
    )
    service = Service(
        title="Toy",
        version="1",
        description="A toy.",
        keys=keys,
        cursor_key=b"k" * 32,
        refresh=[DatabaseGauges(database, GROUP)],
    )
    yield create_app(service, [status_router(DatabaseStatus(database, "toy", GROUP, timed=TIMED))])
    database.close()


def place(worker: Database, topic: str, number: int, instant: datetime | None) -> None:
    tp = TopicPartition(topic, number)
    with worker.transaction() as tx:
        positions.create(tx, GROUP, tp, topic_id="x", next_offset=3)
        if instant is not None:
            positions.claim(tx, GROUP, [OffsetAdvance(tp, 3, 3, instant)])


def beat(worker: Database, name: str, held: list[str], lag: int | None, age: int = 0) -> None:
    with worker.transaction() as tx:
        execute(
            tx,
            """
            INSERT INTO worker (worker_id, consumer_group, started_at, progressed_at, partitions,
                lag)
            VALUES (%(name)s, %(group)s, now(), now() - make_interval(secs => %(age)s), %(held)s,
                %(lag)s)
            """,
            {"name": name, "group": GROUP, "held": held, "lag": lag, "age": age},
        )


class TestStatus:
    """How far the service has come."""

    def status(self, app: FastAPI) -> Any:
        answer = ask(app, "GET", "/v1/status", headers=OPERATOR)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def test_of_nothing(self, app: FastAPI, worker: Database) -> None:
        del worker
        status = self.status(app)
        assert status["service"] == "toy"
        for part in ("business_time", "lag", "oldest_unpublished_at"):
            assert status[part] is None
        assert [status[part] for part in ("partitions", "workers", "pauses", "purges")] == [[]] * 4

    def test_business_time_is_the_least_once_all_have_one(
        self, app: FastAPI, worker: Database
    ) -> None:
        place(worker, TOPIC, 0, MIDNIGHT + timedelta(days=1))
        place(worker, TOPIC, 1, None)
        place(worker, "practices.v1", 0, None)
        assert self.status(app)["business_time"] is None
        place(worker, TOPIC, 1, MIDNIGHT)
        status = self.status(app)
        assert datetime.fromisoformat(status["business_time"]) == MIDNIGHT
        assert [part["position"] for part in status["partitions"]] == [3, 3, 3]

    def test_with_the_timed_partitions_named_all_of_them_count(
        self, migrated: ServiceDatabase, worker: Database
    ) -> None:
        place(worker, TOPIC, 0, MIDNIGHT)
        database = Database(migrated.api_url, application_name="api")
        one = DatabaseStatus(database, "toy", GROUP, timed=[partition(0)]).status()
        two = DatabaseStatus(database, "toy", GROUP, timed=[partition(0), partition(1)]).status()
        database.close()
        assert (one.business_time, two.business_time) == (MIDNIGHT, None)

    def test_what_cannot_be_read_is_named_until_the_position_has_passed_it(
        self, app: FastAPI, worker: Database
    ) -> None:
        place(worker, TOPIC, 0, None)
        tp = TopicPartition(TOPIC, 0)
        left = RecordParts(3, None, None, (), 0)
        found = Unreadable(3, 5, "its checksum is wrong", left, is_whole=False)
        with worker.transaction() as tx:
            positions.note_unreadable(tx, GROUP, tp, found)
        (shown,) = self.status(app)["partitions"]
        assert shown["unreadable"] == {"offset": 3, "why": "its checksum is wrong"}
        metrics = ask(app, "GET", "/metrics").text
        labels = f'group="{GROUP}",partition="0",topic="{TOPIC}"'
        assert f"rapport_unreadable_offset{{{labels}}} 3.0" in metrics
        with worker.transaction() as tx:
            positions.claim(tx, GROUP, [OffsetAdvance(tp, 3, 5, None)])
        (shown,) = self.status(app)["partitions"]
        assert shown["unreadable"] is None
        assert f"rapport_unreadable_offset{{{labels}}}" not in ask(app, "GET", "/metrics").text

    def test_a_worker_is_live_silent_or_halted(self, app: FastAPI, worker: Database) -> None:
        beat(worker, "a", [f"{TOPIC}/0"], 5)
        beat(worker, "b-killed", [f"{TOPIC}/0"], 7, age=60)
        beat(worker, "c-halted", [], None)
        told = [(one["id"], one["state"]) for one in self.status(app)["workers"]]
        assert told == [("a", "live"), ("b-killed", "silent"), ("c-halted", "halted")]

    def test_lag_is_known_only_when_live_workers_hold_every_partition(
        self, app: FastAPI, worker: Database
    ) -> None:
        place(worker, TOPIC, 0, None)
        place(worker, TOPIC, 1, None)
        beat(worker, "a", [f"{TOPIC}/0"], 5)
        assert self.status(app)["lag"] is None
        beat(worker, "dead", [f"{TOPIC}/1"], 7, age=60)
        assert self.status(app)["lag"] is None
        beat(worker, "b", [f"{TOPIC}/1"], 2)
        status = self.status(app)
        assert status["lag"] == 7
        assert [row["id"] for row in status["workers"]] == ["a", "b", "dead"]

    def test_the_oldest_unpublished_row(self, app: FastAPI, worker: Database) -> None:
        with worker.transaction() as tx:
            outbox.append(tx, [Outgoing(TOPIC, 0, b"k", b"v")])
        status = self.status(app)
        oldest = datetime.fromisoformat(status["oldest_unpublished_at"])
        assert oldest <= datetime.fromisoformat(status["as_of"])

    def test_it_is_for_operators(self, app: FastAPI) -> None:
        assert ask(app, "GET", "/v1/status", headers=PRACTICE).status_code == 403


class TestMetrics:
    """What the API tells Prometheus of the database, read at the scrape."""

    def scrape(self, app: FastAPI) -> dict[tuple[str, ...], float]:
        """Each sample of our group, by its name and the rest of its labels."""
        found = {}
        answer = ask(app, "GET", "/metrics")
        assert answer.status_code == 200
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                if sample.labels.get("group") == GROUP:
                    rest = [value for name, value in sample.labels.items() if name != "group"]
                    found[sample.name, *rest] = sample.value
        return found

    def test_it_tells_the_list_and_nothing_else(self, app: FastAPI) -> None:
        families = text_string_to_metric_families(ask(app, "GET", "/metrics").text)
        gauges = {
            family.name
            for family in families
            if not family.name.startswith(("python_", "process_"))
        }
        assert gauges == {family.name for metric in METRICS for family in metric.describe()}

    def test_of_nothing_there_are_noughts(self, app: FastAPI, worker: Database) -> None:
        del worker
        gauges = self.scrape(app)
        assert gauges["rapport_outbox_rows",] == gauges["rapport_outbox_oldest_seconds",] == 0
        assert [gauges["rapport_workers", state] for state in ("live", "silent", "halted")] == [
            0
        ] * 3
        kinds = ("worker", "topic", "practice")
        assert [gauges["rapport_pauses", kind] for kind in kinds] == [0] * 3

    def test_time_outbox_workers_and_pauses(self, app: FastAPI, worker: Database) -> None:
        place(worker, TOPIC, 0, MIDNIGHT)
        place(worker, TOPIC, 1, None)
        beat(worker, "a", [], 0)
        beat(worker, "b", [], 0, age=60)
        beat(worker, "c", [], None, age=60)  # its last word: it had halted
        beat(worker, "d", [], None, age=1200)
        with worker.transaction() as tx:
            outbox.append(tx, [Outgoing(TOPIC, 0, b"k", b"v")] * 2)
            execute(tx, "UPDATE outbox SET created_at = now() - interval '1 hour'")
            execute(
                tx, "INSERT INTO pause (kind, subject, who, why) VALUES ('topic', 't', 'x', 'y')"
            )
        gauges = self.scrape(app)
        assert gauges["rapport_business_time_seconds", "0", TOPIC] == MIDNIGHT.timestamp()
        assert ("rapport_business_time_seconds", "1", TOPIC) not in gauges
        assert [gauges["rapport_workers", state] for state in ("live", "silent", "halted")] == [
            1
        ] * 3
        assert gauges["rapport_outbox_rows",] == 2
        assert 3600 <= gauges["rapport_outbox_oldest_seconds",] < 7200
        assert gauges["rapport_pauses", "topic"] == 1

    def test_without_the_database_nothing_outdated_is_shown(
        self, app: FastAPI, worker: Database, migrated: ServiceDatabase
    ) -> None:
        place(worker, TOPIC, 0, MIDNIGHT)
        assert self.tells_time(app)
        lost = migrated.api_url.rpartition("/")[0] + "/nowhere"
        gone = DatabaseGauges(Database(lost, application_name="api"), GROUP)
        with pytest.raises(sa.exc.OperationalError):
            gone()
        service = Service(
            title="Toy",
            version="1",
            description="A toy.",
            keys=FakeKeys(),
            cursor_key=b"k" * 32,
            refresh=[gone],
        )
        assert not self.tells_time(create_app(service, []))

    def tells_time(self, app: FastAPI) -> bool:
        """Whether there is a business time, which no part but the database's gauges shows."""
        return any(name == "rapport_business_time_seconds" for name, *_ in self.scrape(app))
