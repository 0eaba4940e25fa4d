"""Access: a fuzzer with every check on finds nothing in the three APIs and their documents."""

from collections.abc import Iterable

from tests.support.access_matrix.fuzz import SEED, fuzz_alone
from tests.support.access_matrix.worlds import WORLDS
from tools.claim import Bench, Measured, all_of, none

EXAMPLES = 25


def measure(bench: Bench) -> Iterable[Measured]:
    """One run over each service, with the fixed seed: CI must find what we find."""
    operations = enough = 0
    findings: list[str] = []
    for service in WORLDS:
        bench.say(f"schemathesis over {service}, seed {SEED}")
        report = fuzz_alone(service, bench.postgres.url(), EXAMPLES)
        operations += report.operations
        enough += report.operations - len(report.asked_too_little)
        findings += [f"{service}: {title}" for title in report.findings]
    for finding in findings:
        bench.say(finding)
    claim = f"schemathesis: operations with at least {EXAMPLES} examples"
    return [all_of(claim, enough, operations), none("schemathesis: findings", len(findings))]
