"""The engine: below the decoder. Records that the client cannot read, tombstones, doubled keys.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

ON_KAFKA = "tests/integration/rapport_runtime/test_unreadable_on_kafka.py"
LOOP = "tests/integration/rapport_runtime/test_unreadable.py"
STATUS = "tests/integration/rapport_runtime/test_status_api.py::TestStatus"
BUS = "tests/contract/test_bus.py"
ALERTS = "tests/unit/deploy/test_alerts.py::test_an_alert_refers_only_to_what_is_there"
CONSUMER = "tests/integration/ingestion_service/test_refused_records.py"
KEYS = "tests/unit/rapport_contracts/test_duplicate_keys.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-C2 (quoted: "0 of 4 partitions accept anything", "500 of 500 CPU ticks")': (
            f"{BUS}::test_a_partition_stops_before_what_cannot_be_read_and_the_others_go_on",
            f"{BUS}::test_what_cannot_be_read_is_found_again_where_it_is_sought_again",
            ON_KAFKA,
            f"{LOOP}::TestTheLoop::test_the_other_partitions_go_on",
        ),
        'review-C2 (quoted: "the runbook describes an alert that does not come")': (
            f"{LOOP}::TestTheLoop::test_the_alarm_names_topic_partition_and_offset_once",
            f"{LOOP}::TestTheLoop::test_its_probe_names_the_place_and_stays_ready",
            f"{STATUS}::test_what_cannot_be_read_is_named_until_the_position_has_passed_it",
            ALERTS,
        ),
        'review-C2 (quoted: "Nothing can skip an offset")': (
            f"{LOOP}::TestSkip",
            f"{LOOP}::TestReplays",
        ),
        'review-C2 (quoted: "neither zstandard nor python-snappy")': (
            f"{ON_KAFKA}::test_every_compression_of_producers_is_read",
            f"{ON_KAFKA}::test_a_topic_of_the_contract_keeps_what_was_compressed_plainly",
        ),
        'case-15a (quoted: "60 tombstones of one producer", "exit 3, every practice stands")': (
            f"{CONSUMER}::test_sixty_tombstones_are_counted_and_passed_over",
        ),
        'case-15c (quoted: "REST 400, the bus takes the last")': (
            KEYS,
            f"{CONSUMER}::test_a_key_twice_is_a_dead_letter_and_the_last_does_not_win",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: below the decoder")
    yield from shown_by_one_run(bench, "bus", FINDINGS)
