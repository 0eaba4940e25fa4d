"""Work in another thread that waits for a lock of this one."""

import threading
from collections.abc import Callable

from rapport_runtime.database import Database, fetch_value


def in_another_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """A thread that does this, and its results: what it gave or raised."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - handed to the test
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def wait_for_lock(database: Database) -> None:
    """Until some transaction waits for another one's lock."""
    pause = threading.Event()
    for _ in range(500):
        with database.transaction() as tx:
            if fetch_value(tx, "SELECT count(*) FROM pg_locks WHERE NOT granted"):
                return
        pause.wait(0.01)
    raise AssertionError("nobody waits for a lock")
