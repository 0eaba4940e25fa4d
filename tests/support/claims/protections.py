"""Each protection is real: taken out, one at a time, a scenario that holds with it goes wrong."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree  # of a report that our own pytest has written
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tests.support.claims.claim import Bench, Measured, all_of
from tests.support.places import REPOSITORY

_LOOP = "tests/integration/rapport_runtime/test_loop.py"
_PAUSES = "tests/integration/outreach_service/test_pauses.py"
_TOPIC = "tests/integration/rapport_runtime/test_pauses.py::TestATopic"
_OWN = "tests/integration/test_mutants.py"
PROTECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dedup": f"{_OWN}::test_dedup",
        "outbox": f"{_OWN}::test_outbox",
        "message identity": f"{_OWN}::test_message_identity",
        "compare-and-swap": f"{_LOOP}::TestZombies::test_a_zombies_batch_changes_nothing",
        "pause of a practice, in the claim": f"{_PAUSES}::test_a_paused_practice_sends_nothing",
        "pause of a topic, in the claim": f"{_TOPIC}::test_a_pause_is_obeyed_by_the_claim_itself",
        "seek": f"{_LOOP}::TestAssignment::test_kept_partitions_are_sought_again",
    }
)
"""Protection -> a test with a parameter `mutant`: False, it is there and all is well; True, it is
taken out and the test passes only if the scenario then fails."""
_LONGEST = 300.0


def measure(bench: Bench) -> Iterable[Measured]:
    """One run of those tests; a protection counts when both of its cases have passed."""
    bench.say(f"{len(PROTECTIONS)} protections, each taken out")
    passed = passing(bench)
    killed = [name for name, test in PROTECTIONS.items() if passed.get(test, 0) == 2]
    alive = sorted(PROTECTIONS.keys() - killed)
    line = all_of("protections: mutants killed", len(killed), len(PROTECTIONS))
    if alive:
        line = Measured(
            f"{line.claim} (alive: {', '.join(alive)})", line.figure, line.goal, line.ok
        )
    return [line]


def passing(bench: Bench) -> dict[str, int]:
    """How many cases of each test passed."""
    report = bench.folder / "mutants.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, f"--junitxml={report}", *PROTECTIONS.values()],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": bench.postgres.url()},
        stdout=subprocess.DEVNULL,
        timeout=_LONGEST,
        check=False,
    )
    passed: dict[str, int] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own report
        if not list(case):  # neither failure nor error nor skip
            name = _test_id(case.get("classname", ""), case.get("name", ""))
            passed[name] = passed.get(name, 0) + 1
    return passed


def _test_id(classname: str, name: str) -> str:
    """The id of a test from what JUnit's report says: module and class with dots, name[case]."""
    parts = classname.split(".")
    classes = [part for part in parts if part[:1].isupper()]
    module = "/".join(part for part in parts if part not in classes)
    return "::".join([f"{module}.py", *classes, name.partition("[")[0]])
