"""Sources: the whole public files, as two sources of one practice; what is counted is printed."""

from collections.abc import Iterable, Iterator

from tests.support.generators.public_files import APPOINTMENTS
from tests.support.oracles.public_files import totals
from tests.support.servers.migrated_databases import MigratedDatabases
from tests.support.worlds.public_files import Files, PublicFiles, faults
from tools.claim import Bench, Measured, none

TITLES = {"clinic": "appointments", "states": "appointments as they are", "shop": "purchases"}
"""Source -> what its file has."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Killed, given twice, in halves that were shuffled, and as snapshots; see the world."""
    bench.say("sources: the whole public files")
    if not APPOINTMENTS.exists():
        yield Measured(
            "public files: imported", "not run: RAPPORT_PUBLIC_DATA has no file", "run", ok=False
        )
        return
    databases = MigratedDatabases(bench.postgres)
    urls = databases.create("ingestion")
    world = PublicFiles(urls, bench.folder)
    try:
        yield from _claims(world, Files(None))
    finally:
        world.close()
        databases.drop(urls)
        databases.close()


def _claims(world: PublicFiles, files: Files) -> Iterator[Measured]:
    found = list(faults(world, files))
    counted = world.counts()
    for source, sums in {**files.counts, "states": files.counts["clinic"]}.items():
        own, ours = totals(sums), totals(counted[source])
        for kind, number in sorted(own.items()):
            claim = f"public files: {TITLES[source]}, {kind}"
            yield Measured(claim, f"{ours[kind]:,}", f"{number:,}", ours[kind] == number)
    differ = f": {found[0]}" if found else ""
    yield none(
        f"public files: killed, twice, in halves, as snapshots: what differs{differ}", len(found)
    )
