"""The contracts: what version 0.2 promises, each point by the tests that show it.

Findings of the first review carry what was measured then; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tests.support.contracts.comparison import announced
from tests.support.contracts.documents import PACKAGE, outdated, version
from tools.claim import Bench, Measured, all_of, none
from tools.proof.pytest_runs import shown_by_one_run

READERS = "tests/unit/test_readers.py"
OUTREACH = "tests/unit/outreach_service/test_consumer.py"
SCORING = "tests/unit/scoring_service/test_consumer.py"
FEED = "tests/unit/scoring_service/test_feed_pages.py"
OPERATIONS = "tests/contract/test_operations.py"
CLIENTS = "tests/contract/test_generated_clients.py"
TOPICS = "tests/integration/rapport_runtime/test_topics.py"
LOOK = "tests/integration/rapport_runtime/test_look.py"
RESTORED = "tests/faults/test_restored.py"
SOURCE_EVENTS = "tests/unit/rapport_contracts/test_codec_source.py"
CSV_FILES = "tests/unit/rapport_devkit/test_sources.py"
OUTREACH_API = "tests/integration/outreach_service/test_api.py"
INGESTION_API = "tests/integration/ingestion_service/test_api.py"

POINTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "open words: a reader with fewer of them reads on, and says what it lacks": (READERS,),
        "schemes: changes, versions and look-ups are per client and scheme": (
            "tests/integration/scoring_service/test_store_suite.py",
        ),
        "occasions: one message for client, play, occasion and step": (
            "tests/unit/outreach_service/test_handlers_planning.py",
        ),
        "activities in full: objects, causes, codes": (
            "tests/unit/ingestion_service/test_activities.py",
            "tests/unit/ingestion_service/test_handlers_accept.py",
        ),
        "ranges: whatever intake accepts can be read and is folded": (
            "tests/unit/ingestion_service/test_translate.py",
            "tests/unit/scoring_service/test_one_range.py",
            "tests/unit/rapport_contracts/test_ranges.py",
        ),
        "topics: made with their settings, checked where they exist": (TOPICS,),
        "the feed: tombstones, and 410 before its start": (FEED,),
        "back in time: known and unknown ends of topics": (LOOK,),
        "documents: read by validators and two generators": (CLIENTS,),
        "documents: summaries, examples, query words, HEAD": (OPERATIONS,),
    }
)
"""Point of the contracts -> the tests that show it."""

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "review-C1 (then: a booking of 1900 halted all practices)": (READERS, INGESTION_API),
        "review-H7 (then: one event lost, one doubled, silently)": (f"{RESTORED}::TestIngestion",),
        "review-H8 (then: 10 sent of 5 messages)": (f"{RESTORED}::TestOutreach",),
        "review-H9 (then: 0 of 1,000 old records read, halted)": (TOPICS,),
        "review-H16, trials-I2 (then: no way from client_id back)": (INGESTION_API,),
        "review-M14 (then: unknown types halt after 50)": (SCORING, OUTREACH),
        "trials-I3 (then: RMB and XYZ taken for ever)": (
            "tests/unit/rapport_contracts/test_ranges.py",
            INGESTION_API,
        ),
        "trials-I5 (then: contacts cannot be set, no examples)": (CLIENTS, OPERATIONS),
        "trials-I6 (then: 2 of 3 documents invalid)": (
            f"{CLIENTS}::test_a_document_is_valid_openapi",
        ),
        "trial-D1 (then: a caller of 0.1 erased region and discreet name)": (
            "tests/unit/ingestion_service/test_handlers.py::TestRegisterPractice",
        ),
        "trial-H1 (then: no attribute of an event was described)": (
            "tests/contract/test_events.py"
            "::test_whoever_writes_a_source_event_reads_what_each_attribute_is",
        ),
        "trial-H5, trial-H7, trial-A2, trial-A3 (then: blank ids taken, one fault of many told)": (
            SOURCE_EVENTS,
        ),
        "trial-A4 (then: a CSV's amount told in another unit)": (CSV_FILES,),
        "trial-A7 (then: examples of three practices and no lookup by identity)": (
            f"{OPERATIONS}::test_the_examples_of_operations_follow_on_each_other",
        ),
        "trial-A9 (then: one instant in two zones)": (
            f"{OUTREACH_API}::test_every_answer_tells_an_instant_in_utc",
        ),
        "drill-1 (then: the second list calls sent messages `awaiting_staff`)": (
            "tests/unit/outreach_service/test_lost_events.py",
            f"{RESTORED}::TestOutreach::test_after_a_second_restore_the_list_still_says_what_was_sent",
        ),
        "drill-2 (then: after Kafka is lost no command goes on)": (
            "tests/integration/rapport_runtime/test_restored.py::TestInput",
            "tests/faults/test_broker.py::"
            "test_a_log_that_came_back_empty_stops_the_worker_until_an_operator_confirms",
            "tests/integration/rapport_runtime/test_dead_letters.py::"
            "test_a_topic_made_anew_gives_an_offset_out_again_and_both_letters_are_kept",
        ),
        "drill-3 (then: exit 1 and a traceback where no broker answers)": (
            "tests/unit/rapport_runtime/test_producer.py",
            "tests/unit/rapport_runtime/test_process.py",
            "tests/unit/rapport_runtime/test_consumer.py",
        ),
        "drill-4 (then: lines of practices and clients lead nowhere)": (
            "tests/integration/ingestion_service/test_lost_events.py",
        ),
        "drill-5 (then: 20 log lines in the list of what is lost)": (
            "tests/unit/test_command_output.py",
        ),
    }
)
"""Finding, and what was measured when it was found -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """The documents of this checkout, and the tests of each point and finding."""
    bench.say("the contracts: documents and tests")
    changelog = (PACKAGE / "CHANGELOG.md").read_text("utf-8")
    yield none("documents that are not the code's", len(outdated(PACKAGE)))
    yield all_of(f"the changelog has a section of {version()}", announced(version(), changelog), 1)
    claims = POINTS | FINDINGS
    yield from shown_by_one_run(bench, "contracts", claims)
