"""`purge` removes what has outlived its term, page by page, and leaves the rest (ADR 29)."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime import migrations
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.retention import ways
from rapport_runtime.retention.classes import read_classes
from rapport_runtime.retention.cli import purge_command, purge_parser
from rapport_runtime.retention.own import RUNTIME_WAYS
from rapport_runtime.retention.purge import NotAlone, Purge
from scoring_service.ports import EntriesGone
from scoring_service.store import purging
from tests.support.worlds.feed import START, FeedWorld, change

pytestmark = pytest.mark.integration
LONG_AGO = timedelta(days=2000)
CLASSES = read_classes("scoring_service")
WHY = ("--confirm", "--why", "a test", "--by", "ann")


class World(FeedWorld):
    """Scoring's database, with the purge's role and a way to make rows old."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.purger = Database(self.urls.purge_url, application_name="purge")
        self.purge = Purge(self.purger, CLASSES, purging.WAYS)

    def run(self, *argv: str) -> int:
        return purge_command(self.purge, threading.Event(), purge_parser().parse_args(argv))

    def as_owner(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.urls.owner_url) as owner:
            done = owner.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def as_worker(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.urls.worker_url) as worker:
            done = worker.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def entries(self, count: int, *, age: timedelta, practice: str = "harbour") -> None:
        """So many entries of one partition of the feed, which were published so long ago."""
        self.as_worker(
            "INSERT INTO feed (practice_id, bucket, position, event, published_at)"
            " SELECT %s, 3, n + coalesce("
            " (SELECT max(position) FROM feed WHERE practice_id = %s), 0),"
            " 'x', now() - %s::interval FROM generate_series(1, %s) AS n",
            practice,
            practice,
            age,
            count,
        )

    def positions(self, practice: str = "harbour") -> list[int]:
        rows = self.as_worker(
            "SELECT position FROM feed WHERE practice_id = %s ORDER BY position", practice
        )
        return [position for (position,) in rows]

    def close(self) -> None:
        self.purger.close()
        super().close()


@dataclass
class Naps(threading.Event):
    """Waits for nothing; meanwhile something happens, and the last nap ends with the stop."""

    count: int
    meanwhile: Callable[[], None]
    seconds: list[float] = field(default_factory=list)

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0)
        self.meanwhile()
        return len(self.seconds) == self.count


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[World]:
    made = World(service_database("scoring"))
    yield made
    made.close()


class TestTheFeed:
    """It loses its beginning, and no place in between."""

    def test_what_is_old_goes_and_the_last_row_of_a_place_stays(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        world.entries(2, age=timedelta(0))
        world.entries(4, age=LONG_AGO, practice="lakeside")
        assert world.run(*WHY) == 0
        assert world.positions() == [4, 5]
        assert world.positions("lakeside") == [4]

    def test_numbering_goes_on_behind_what_was_removed(self, world: World) -> None:
        place = change("ada", 1).partition
        for version in (1, 2):
            world.publish(change("ada", version))
        world.as_owner("ALTER TABLE feed DISABLE TRIGGER USER")
        world.as_worker("UPDATE feed SET published_at = now() - %s::interval", LONG_AGO)
        world.as_owner("ALTER TABLE feed ENABLE TRIGGER USER")
        assert world.run(*WHY) == 0
        world.publish(change("ada", 3))
        page = world.feed.read("harbour", world.feed.start("harbour"), 10)
        assert [(entry.partition, entry.position) for entry in page.entries] == [
            (place, 2),
            (place, 3),
        ]

    def test_a_cursor_from_before_is_told_where_to_go_on(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        world.entries(1, age=timedelta(0))
        assert world.run(*WHY) == 0
        with pytest.raises(EntriesGone) as gone:
            world.feed.read("harbour", START, 10)
        assert gone.value.left[3] == 3

    def test_an_old_row_behind_a_young_one_waits_so_that_no_gap_comes(self, world: World) -> None:
        """A clock that went back."""
        world.entries(1, age=LONG_AGO)
        world.entries(1, age=timedelta(0))
        world.entries(2, age=LONG_AGO)
        assert world.run(*WHY) == 0
        assert world.positions() == [2, 3, 4]

    def test_it_goes_in_pages_each_of_its_own(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purging, "PLACES", 2)
        monkeypatch.setattr(purging, "ROWS_OF_PLACE", 10)
        monkeypatch.setattr(purging, "PAGE_ROWS", 12)
        for practice in ("alder", "birch", "cedar"):
            world.entries(26, age=LONG_AGO, practice=practice)
        before = datetime.now(UTC) - timedelta(days=1)
        pages = purging.OldFeed().pages(world.purger, before)
        assert next(pages) == 20
        assert len(world.positions("alder")) == 16, "the first page is committed"
        assert list(pages) == [12, 3, 12, 3, 10, 12, 3]
        assert [world.positions(name) for name in ("alder", "birch", "cedar")] == [[26]] * 3


class TestTheCommand:
    """What it says, and what it refuses."""

    def test_without_confirm_it_counts_and_removes_nothing(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.entries(3, age=LONG_AGO)
        assert world.run() == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.partition(" rows")[0] for line in lines[:-1]] == [
            "feed: 2",
            "audit: 0",
            "dead-letters: 0",
        ]
        assert world.positions() == [1, 2, 3]

    def test_a_purge_needs_a_reason(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        assert world.run("--confirm") == 2
        assert world.positions() == [1, 2, 3]

    def test_two_do_not_run_at_once(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        with world.purge._alone():
            assert world.run(*WHY) == 2
            with pytest.raises(NotAlone):
                world.purge.confirm("ann", "a test")
        assert world.positions() == [1, 2, 3]
        assert world.run(*WHY) == 0
        assert world.positions() == [3]

    def test_every_so_many_hours_it_purges_anew_until_it_is_stopped(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        naps = Naps(2, lambda: world.entries(1, age=LONG_AGO))
        options = purge_parser().parse_args([*WHY, "--every-hours", "24"])
        assert purge_command(world.purge, naps, options) == 0
        assert naps.seconds == [86400, 86400]
        assert world.positions() == [4, 5]
        audited = world.as_worker("SELECT count(*) FROM audit WHERE subject = 'feed'")
        assert audited == [(2,)]

    def test_it_reports_to_the_audit_and_to_the_status(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        assert world.run(*WHY) == 0
        audited = world.as_worker("SELECT who, action, kind, subject, why, count FROM audit")
        assert ("ann", "purge", "retention", "feed", "a test", 2) in audited
        reported = world.as_worker(
            "SELECT class, rows FROM purge_run WHERE finished_at IS NOT NULL"
        )
        assert dict(reported) == {"feed": 2, "audit": 0, "dead-letters": 0}

    def test_a_purge_that_died_frees_the_way_and_the_next_goes_on(
        self,
        world: World,
        postgres: Postgres,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Its connections end in the middle, as when its process is killed."""
        monkeypatch.setattr(purging, "ROWS_OF_PLACE", 10)
        world.entries(26, age=LONG_AGO)
        pages = purging.OldFeed.pages

        def killed(self: purging.OldFeed, database: Database, before: datetime) -> Iterator[int]:
            removed = next(pages(self, database, before))
            with psycopg.connect(postgres.url(), autocommit=True) as server:
                server.execute(_KILL, [world.urls.name])
            yield removed
            yield from pages(self, database, before)

        with monkeypatch.context() as patch:
            patch.setattr(purging.OldFeed, "pages", killed)
            assert world.run(*WHY) == 2
        assert "has ended: purge again" in capsys.readouterr().err
        assert len(world.positions()) == 16
        assert world.run(*WHY) == 0
        assert world.positions() == [26]

    def test_what_somebody_holds_is_left_for_the_next_night(self, world: World) -> None:
        world.entries(3, age=LONG_AGO)
        make_month(world, "2020-01-01")
        hurried = DatabaseLimits(pool_size=2, max_overflow=0, lock_ms=100)
        purger = Database(world.urls.purge_url, application_name="purge", limits=hurried)
        with psycopg.connect(world.urls.worker_url) as reader:
            reader.execute("SELECT count(*) FROM audit")
            reports = Purge(purger, CLASSES, purging.WAYS).confirm("ann", "a test")
        purger.close()
        failed = {report.name: report.failed for report in reports}
        assert failed == {"feed": None, "audit": "LockNotAvailable", "dead-letters": None}
        assert world.positions() == [3]
        assert world.run(*WHY) == 0
        assert "audit_2020_01" not in months_of(world, "audit_")

    def test_a_class_that_fails_keeps_no_other_from_running_and_is_not_reported_done(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.entries(3, age=LONG_AGO)
        monkeypatch.setattr(purging, "_OLD", "SELECT 1/0 AS rows")
        assert world.run(*WHY) == 1
        reported = world.as_worker("SELECT class FROM purge_run WHERE finished_at IS NOT NULL")
        assert sorted(reported) == [("audit",), ("dead-letters",)]


_SAY = (
    "INSERT INTO audit (at, who, action, kind, subject, why)"
    " VALUES (%s, 'ann', 'pause', 'topic', 'things', 'a test')"
)
_PARTITIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'partitions'::regnamespace"


_KILL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"


def make_month(world: World, first_day: str) -> None:
    """The partition of the audit for the month of this day, as an earlier migration made it."""
    world.as_owner(
        "SELECT make_partition('audit', 'audit_' || to_char(%s::date, 'YYYY_MM'),"
        " format('FOR VALUES FROM (%%L) TO (%%L)', %s::date, %s::date + interval '1 month'))",
        first_day,
        first_day,
        first_day,
    )


def months_of(world: World, table: str) -> list[str]:
    rows = world.as_owner(_PARTITIONS + " AND relkind = 'r' ORDER BY relname")
    return [name for (name,) in rows if name.startswith(table)]


class TestMonths:
    """Partitions by month: made ahead, dropped as a whole, and never in the way of a write."""

    def test_three_months_ahead_are_made_and_one_takes_what_no_other_takes(
        self, world: World
    ) -> None:
        made = months_of(world, "audit_")
        assert len(made) == 5
        assert made[-1] == "audit_default"
        world.as_worker(_SAY, datetime(2199, 1, 1, tzinfo=UTC))
        world.as_worker(_SAY, datetime(1999, 1, 1, tzinfo=UTC))
        assert world.as_worker("SELECT count(*) FROM audit") == [(2,)]

    def test_a_month_that_is_past_the_term_is_dropped_and_the_next_stays(
        self, world: World
    ) -> None:
        now = datetime.now(UTC)
        for month in ("2020-01-01", "2020-02-01"):
            make_month(world, month)
        world.as_worker(_SAY, datetime(2020, 1, 5, tzinfo=UTC))
        world.as_worker(_SAY, datetime(2020, 2, 5, tzinfo=UTC))
        world.as_worker(_SAY, now)
        way = RUNTIME_WAYS["audit"]
        list(way.pages(world.purger, datetime(2020, 2, 20, tzinfo=UTC)))
        left = [
            at.date().isoformat() for (at,) in world.as_worker("SELECT at FROM audit ORDER BY at")
        ]
        assert left == ["2020-02-05", now.date().isoformat()]
        assert "audit_2020_01" not in months_of(world, "audit_")
        assert way.oldest(world.purger) == datetime(2020, 2, 1, tzinfo=UTC)

    def test_old_rows_that_no_month_took_go_row_by_row(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ways, "PAGE_ROWS", 2)
        for day in range(1, 6):
            world.as_worker(_SAY, datetime(2020, 1, day, tzinfo=UTC))
        world.as_worker(_SAY, datetime.now(UTC))
        pages = RUNTIME_WAYS["audit"].pages(world.purger, datetime(2020, 3, 1, tzinfo=UTC))
        assert list(pages) == [2, 2, 1]
        assert world.as_worker("SELECT count(*) FROM audit") == [(1,)]

    def test_months_are_made_anew_by_migrate_and_by_purge(self, world: World) -> None:
        made = months_of(world, "audit_")
        for again in (
            lambda: migrations.upgrade(world.urls.owner_url, "scoring_service"),
            lambda: world.run(*WHY),
        ):
            world.as_owner(f"DROP TABLE partitions.{made[2]}")
            assert months_of(world, "audit_") != made
            again()
            assert months_of(world, "audit_") == made

    def test_a_month_whose_rows_are_in_the_default_one_stays_there(self, world: World) -> None:
        made = months_of(world, "audit_")
        world.as_owner(f"DROP TABLE partitions.{made[0]}")
        world.as_worker(_SAY, datetime.now(UTC))
        assert world.run(*WHY) == 0
        assert months_of(world, "audit_") == made[1:]
        assert world.as_worker("SELECT count(*) FROM audit WHERE action = 'pause'") == [(1,)]

    @pytest.mark.parametrize("role", ["worker", "api", "purge", "owner", "superuser"])
    def test_nobody_goes_round_the_parent(
        self, world: World, postgres: Postgres, role: str
    ) -> None:
        world.as_worker(_SAY, datetime(1999, 1, 1, tzinfo=UTC))
        superuser = postgres.url(world.urls.name)
        url = superuser if role == "superuser" else getattr(world.urls, f"{role}_url")
        for statement in ("DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET who = 'bob'"):
            with psycopg.connect(url) as connection:
                try:
                    changed = connection.execute(
                        statement.format("partitions.audit_default").encode()
                    ).rowcount
                except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation):
                    continue
                assert (role, changed) == ("owner", 0)

    def test_only_the_purge_and_the_owner_make_and_drop_months(self, world: World) -> None:
        for url in (world.urls.worker_url, world.urls.api_url):
            for call in ("make_partitions('audit', 3)", "drop_partition('audit', now())"):
                with (
                    psycopg.connect(url) as connection,
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                ):
                    connection.execute(f"SELECT {call}".encode())
