"""The engine: one source event, one assessment; and what is taken back is said.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

ARRIVALS = "tests/unit/test_arrivals.py"
BATCHES = "tests/unit/scoring_service/test_batches.py"
CAUSES = "tests/unit/scoring_service/test_causes.py"
WALK = "tests/unit/scoring_service/test_walk.py"
ACCEPT = "tests/unit/ingestion_service/test_handlers_accept.py"
OBJECTS = "tests/unit/ingestion_service/test_activities.py"
DEMO = "tests/unit/rapport_devkit/test_demo_figures.py"
SUITES = "tests/integration/scoring_service/test_store_suite.py"
INTAKE = "tests/integration/ingestion_service"
WATERMARKS = "tests/integration/rapport_runtime/test_watermarks.py::TestReadToEnd"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'replay-D1 (quoted: "`since` lies after `as_of`, `next_transition` before `since`")': (
            f"{ARRIVALS}::test_a_history_never_goes_back_in_time_when_a_clock_is_wrong",
            f"{CAUSES}::TestEffectiveAt",
        ),
        'replay-D2 (quoted: "sent to a client with a net payment of 0")': (
            f"{ARRIVALS}::test_a_payment_whose_refund_came_before_is_told_to_nobody",
            f"{CAUSES}::TestOneCause",
        ),
        'replay-D3 (quoted: "328 source events did this, 284 ended where they began")': (
            f"{ARRIVALS}::test_what_is_said_again_for_another_day_moves_nobody",
        ),
        "replay-D1, replay-D2, replay-D3: an oracle that looks after each source event agrees": (
            f"{ARRIVALS}::test_history_is_what_is_seen_after_each_source_event",
            f"{WALK}::test_history_is_the_oracles_however_late_the_sweep_and_however_it_is_batched",
        ),
        "replay-D2, replay-D3: a source event in pieces, in batches of any sizes": (
            BATCHES,
            f"{CAUSES}::TestTheEndOfACause",
            SUITES,
        ),
        'replay-D5 (quoted: "18.5 % of the visits of a real file would vanish")': (
            f"{ARRIVALS}::test_a_booking_that_is_entered_after_its_visit_does_not_take_it_back",
            f"{OBJECTS}::test_a_booking_that_is_entered_after_its_outcome_does_not_undo_it",
        ),
        "replay-D5: what is taken back is counted, and said": (
            f"{ACCEPT}::test_a_visit_that_is_taken_back_is_told",
            f"{INTAKE}/test_consumers.py::test_a_visit_that_is_taken_back_is_counted_once_it_is_committed",
            f"{INTAKE}/test_api.py::test_an_event_that_takes_a_visit_back_is_told_and_counted",
            f"{DEMO}::test_counts_the_events_that_took_a_visit_back",
            f"{DEMO}::test_the_verdict_tells_of_visits_taken_back",
        ),
        'replay-D6 (quoted: "scoring answers 404 for ever")': (
            f"{ARRIVALS}::test_a_client_whose_first_event_counts_for_nothing_is_a_prospect",
            f"{ACCEPT}::test_a_client_whose_first_fact_counts_for_nothing_is_made_known_once",
            f"{INTAKE}/test_store.py::test_a_client_whose_first_event_counts_for_nothing_is_announced",
        ),
        'replay-D7 (quoted: "A simulated clock moved by less than 1 s is never followed")': (
            f"{WATERMARKS}::test_a_clock_that_is_set_is_followed_by_whatever_step",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: source events, and what they take back")
    yield from shown_by_one_run(bench, "engine_causes", FINDINGS)
