"""A purge that is killed between two of its pages, and run again; what both have left."""

from collections.abc import Iterator

import psycopg

from tools.campaign.environment import Purged, StormEnvironment
from tools.campaign.faults import Fault

OLD_ROWS = 200_000
"""So many pages that the kill comes between two of them."""

TRIES = 5
"""What else strikes on the day may end a purge, too; it is then run again."""

_AGE = """
    INSERT INTO audit (at, who, action, kind, subject, why)
    SELECT timestamptz '2020-01-01' + n * interval '1 second', 'devkit', 'pause', 'topic', 'x', 'y'
    FROM generate_series(1, %s) AS n
"""
_ROWS = """
    SELECT count(*) FILTER (WHERE at < '2020-02-01'), count(*) FILTER (WHERE at >= '2020-02-01')
    FROM audit
"""


def purge_killed(service: str) -> Fault:
    """SIGKILL of a purge after its first page, and the purge once more. Postgres itself stays."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        url = environment.postgres.url(service)
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(_AGE, [OLD_ROWS])
            _, younger = _rows(server)
            purge = environment.stack.start_purge(service)
            while purge.poll() is None and _rows(server)[0] == OLD_ROWS:
                yield 0
            purge.kill()
            purge.communicate()
            left_by_the_kill, _ = _rows(server)
            for _ in range(TRIES):
                purge = environment.stack.start_purge(service)
                while purge.poll() is None:
                    yield 0.2
                purge.communicate()
                if purge.returncode == 0:
                    break
            left, younger_left = _rows(server)
        purged = Purged(service, OLD_ROWS, left_by_the_kill, left, younger_left < younger)
        environment.purges.append(purged)

    kind = f"{service} purge: SIGKILL between two pages"
    return Fault(row="R1", kind=kind, on="postgres/purge", steps=steps)


def _rows(server: psycopg.Connection) -> tuple[int, int]:
    """How many rows of the audit are old, and how many are not."""
    row = server.execute(_ROWS).fetchone()
    return (row[0], row[1]) if row else (0, 0)
