"""A file of a practice's history, beside the bus in the same run, a bare COPY, and live events."""

import csv
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import psycopg

from rapport_devkit.stack import Stack
from tools.bench.bookings import CLIENTS
from tools.bench.doors.bus import BusDoor
from tools.bench.doors.door import Parties, Waited
from tools.bench.environment import Environment
from tools.bench.figures import at_least, at_most, plain
from tools.bench.services import with_practices
from tools.bench.sizes import Sizes
from tools.bench.waits import client_number
from tools.claim import Measured

LIVE, HISTORY = "live", "history"
"""The practice whose events go on meanwhile, and the one that gives files."""
RATE = 100.0
"""Live events a second."""
YEARS = timedelta(days=730)
MEMORY_GOAL = 1.25
_SAMPLE_SECONDS = 0.2
_HEADER = ("client_id", "happened_at", "event", "id")
_TABLE = f"CREATE TABLE bare ({', '.join(f'{name} text' for name in _HEADER)})"
_COPY = "COPY bare FROM STDIN WITH (FORMAT csv, HEADER)"
_BLOCK = 1 << 20


class Imported(NamedTuple):
    """How long the command took from its start to its end, the most memory that it had, in MiB, and
    what live events waited meanwhile."""

    seconds: float
    peak_mib: float
    waited: Waited


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """Once, whatever the repetitions. The rows are what the bus is given, bookings of as many
    clients; the command reads the file twice before it takes anything, and that counts."""
    rows = sizes.imported_rows
    with with_practices(environment, "importing", ["ingestion"], [LIVE, HISTORY]) as stack:
        folder = stack.options.folder
        door = BusDoor(stack, folder, Parties([LIVE], LIVE))
        bus = door.capacity(sizes.capacity_seconds)
        idle = door.paced(RATE, sizes.quiet_seconds)
        tenth = _imported(stack, door, _written(folder, rows // 10), sizes)
        file = _written(folder, rows)
        whole = _imported(stack, door, file, sizes)
        copied = rows / _copied(stack, file)
    rate = rows / whole.seconds
    mib = f"{tenth.peak_mib:.0f} to {whole.peak_mib:.0f} MiB"
    waited = f"{whole.waited.p99:,.0f} ms, before it {idle.p99:,.0f} ms"
    return [
        plain("bus, events a second", f"{bus:,.0f}"),
        plain(f"import of {rows:,} rows, rows a second", f"{rate:,.0f}"),
        at_least("  times the bus", [rate / bus], 1.0),
        plain("  share of a bare COPY of the file", f"{rate / copied:.2%} of {copied:,.0f}/s"),
        at_most(
            "  peak memory, times that of a tenth of the rows",
            [whole.peak_mib / tenth.peak_mib],
            MEMORY_GOAL,
            note=mib,
        ),
        plain("  live events beside it, p99 by the bus", waited),
    ]


def _written(folder: Path, rows: int) -> Path:
    """A file of so many completed bookings, by time, over two years."""
    file, now = folder / f"{rows}.csv", datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(_HEADER)
        for number in range(rows):
            at = now - YEARS + YEARS * number / (rows + 1)
            client = f"client-{client_number(number, CLIENTS)}"
            writer.writerow((client, at.replace(microsecond=0), "completed", f"b{number}"))
    return file


def _imported(stack: Stack, door: BusDoor, file: Path, sizes: Sizes) -> Imported:
    """Give the file while live events go on, again and again until it is taken. Raises RuntimeError
    when the command failed."""
    print(f"  {file.name} is taken", flush=True)
    begun, waits, unended = time.monotonic(), list[float](), 0
    words = ("--practice", HISTORY, "--source", file.stem, "--backfill", "--yes", "--by", "bench")
    process = stack.start_command("ingestion", "import", str(file), *words)
    ended: list[float] = []
    told: list[str] = []

    def follow() -> None:
        told.extend(process.communicate())
        ended.append(time.monotonic())

    following = threading.Thread(target=follow)
    following.start()
    watching = _Memory(process)
    watching.start()
    while not ended:
        some = door.paced(RATE, sizes.quiet_seconds)
        waits, unended = [*waits, *some.waits], unended + some.unended
    following.join()
    watching.join()
    if process.returncode:
        raise RuntimeError(f"import ended with {process.returncode}: {told[1][-2_000:]}")
    return Imported(ended[0] - begun, watching.peak_mib, Waited(sorted(waits), unended))


class _Memory(threading.Thread):
    """Looks at a process until it ends; `peak_mib` is the most that was resident."""

    def __init__(self, process: "Popen[str]") -> None:
        super().__init__()
        self.peak_mib = 0.0
        self._process = process

    def run(self) -> None:
        """Look, and look again."""
        status = Path(f"/proc/{self._process.pid}/status")
        while self._process.poll() is None:
            with suppress(OSError):  # it has ended since
                for line in status.read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self.peak_mib = int(line.split()[1]) / 1024
            time.sleep(_SAMPLE_SECONDS)


def _copied(stack: Stack, file: Path) -> float:
    """How many seconds a COPY of the file takes into a table without an index."""
    with psycopg.connect(stack.database("ingestion").owner_url) as database:
        database.execute(_TABLE)
        begun = time.monotonic()
        with file.open("rb") as opened, database.cursor().copy(_COPY) as copy:
            while block := opened.read(_BLOCK):
                copy.write(block)
        database.commit()
        return time.monotonic() - begun
