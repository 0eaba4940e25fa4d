"""Each protection is real: taken out, one at a time, a scenario that holds with it goes wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from tools.claim import Bench, Measured, all_of
from tools.proof.pytest_runs import run_tests

_CHASSIS = "tests/integration/rapport_runtime"
_LOOP = f"{_CHASSIS}/test_loop.py"
_RELAY = f"{_CHASSIS}/test_relay.py"
_OUT_OF_CHASSIS = f"{_CHASSIS}/test_mutants.py"
_INGESTION = "tests/integration/test_mutants.py"
_LINKED = "tests/integration/ingestion_service/test_linked_objects.py"
_QUEUES = "tests/integration/ingestion_service/test_deferring.py"
_OUTREACH = "tests/faults/test_mutants_outreach.py"
_SCORING = "tests/faults/test_mutants_scoring.py"
_PAUSES = "tests/integration/outreach_service/test_pauses.py"
_TOPIC = "tests/integration/rapport_runtime/test_pauses.py::TestATopic"
PROTECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dedup": f"{_INGESTION}::test_dedup",
        "outbox": f"{_INGESTION}::test_outbox",
        "parked events, when their payment comes": (
            f"{_LINKED}::test_what_waits_is_counted_when_its_payment_comes"
        ),
        "message identity": f"{_INGESTION}::test_message_identity",
        "compare-and-swap": f"{_LOOP}::TestZombies::test_a_zombies_batch_changes_nothing",
        "pause of a practice, in the claim": f"{_PAUSES}::test_a_paused_practice_sends_nothing",
        "pause of a topic, in the claim": f"{_TOPIC}::test_a_pause_is_obeyed_by_the_claim_itself",
        "seek": f"{_LOOP}::TestAssignment::test_kept_partitions_are_sought_again",
        "seek back after a rollback": (
            f"{_CHASSIS}/test_rollback.py::TestRollback::test_after_a_rollback_it_seeks_back"
        ),
        "position with its effects": f"{_OUT_OF_CHASSIS}::test_effects_and_position_move_together",
        "no waiting for a held position": (
            f"{_OUT_OF_CHASSIS}::test_a_partition_whose_row_is_held_does_not_hold_up_the_others"
        ),
        "time-out of idle transactions": (
            f"{_OUT_OF_CHASSIS}::test_a_worker_frozen_in_its_transaction_lets_go"
        ),
        "dead-letter limit": f"{_OUT_OF_CHASSIS}::test_past_the_limit_nothing_more_is_put_aside",
        "replay once": f"{_OUT_OF_CHASSIS}::test_a_letter_is_replayed_once",
        "removal after acknowledgement": (
            f"{_OUT_OF_CHASSIS}::test_a_row_is_removed_only_after_its_acknowledgement"
        ),
        "bucket lock": f"{_OUT_OF_CHASSIS}::test_one_relay_at_a_time_drains_a_partition",
        "never id > last": (
            f"{_RELAY}::TestLateCommits::test_a_row_that_was_committed_late_is_published"
        ),
        "time read before draining": (
            f"{_RELAY}::TestWatermarks::test_no_mark_overtakes_a_row_that_was_complete_at_its_time"
        ),
        "walk before fold": (
            f"{_SCORING}::test_a_client_is_walked_to_the_day_before_a_fact_is_folded"
        ),
        "first watermark": f"{_SCORING}::test_the_first_watermark_assesses_who_came_before_it",
        "generation and sequence": f"{_SCORING}::test_an_activity_that_comes_twice_counts_once",
        "one source event, one assessment": (
            f"{_SCORING}::test_a_source_event_in_two_batches_is_assessed_once"
        ),
        "a source event without its end": (
            f"{_SCORING}::test_a_source_event_without_its_end_is_closed_by_the_next_watermark"
        ),
        "watermark after its sweep": f"{_SCORING}::test_time_is_passed_on_only_after_its_sweep",
        "cap lock": (
            "tests/faults/test_claims.py::"
            "test_of_sixteen_claims_for_one_client_under_a_cap_of_one_one_goes"
        ),
        "consent in the claim": f"{_OUTREACH}::test_the_claim_hears_the_last_word",
        "opt-out of a point, in the claim": (
            f"{_OUTREACH}::test_the_claim_hears_who_opted_out_at_the_same_phone"
        ),
        "opt-out where a click's message went": (
            f"{_OUTREACH}::test_a_click_holds_at_the_phone_to_which_its_message_went"
        ),
        "client lock of a withdrawal": f"{_OUTREACH}::test_a_withdrawal_does_not_pass_a_claim",
        "client lock of a signal of care": f"{_OUTREACH}::test_a_risk_does_not_pass_a_claim",
        "client lock of a claim": (
            "tests/integration/outreach_service/test_consent_race.py::"
            "test_a_claim_waits_for_a_withdrawal_under_way_and_hears_it"
        ),
        "row lock of a message": f"{_OUTREACH}::test_two_workers_never_claim_one_message",
        "second look at a locked message": (
            f"{_OUTREACH}::test_what_was_claimed_since_a_look_began_is_not_claimed_again"
        ),
        "practices in turn": (
            "tests/integration/outreach_service/test_fairness.py::"
            "test_a_flood_of_one_practice_does_not_delay_anothers_message"
        ),
        "no retry of the unknown": f"{_OUTREACH}::test_an_unknown_outcome_is_not_tried_again",
        "row-level security": f"{_OUTREACH}::test_the_api_sees_one_practice",
        "turns of practices": (
            f"{_QUEUES}::test_ten_thousand_records_of_one_practice_are_in_nobodys_way"
        ),
        "deferral with the position": (
            f"{_QUEUES}::test_what_is_deferred_and_the_position_are_one_transaction"
        ),
        "a turn with its effects": (
            f"{_QUEUES}::test_what_is_drained_and_what_comes_of_it_are_one_transaction"
        ),
        "the end of a hold with the last turn": (
            f"{_QUEUES}::test_the_last_turn_and_the_end_of_the_hold_are_one_transaction"
        ),
        "the database's clock": "tests/faults/test_clocks.py::test_the_databases_clock_decides",
    }
)
"""Protection -> a test with a parameter `mutant`: False, it is there and all is well; True, it is
taken out and the test passes only if the scenario then fails."""


def measure(bench: Bench) -> Iterable[Measured]:
    """One run of those tests; a protection counts when both of its cases have passed."""
    bench.say(f"{len(PROTECTIONS)} protections, each taken out")
    killed = mutants_killed(bench.folder / "mutants.xml", bench.postgres.url(), PROTECTIONS)
    alive = sorted(PROTECTIONS.keys() - killed)
    line = all_of("protections: mutants killed", len(killed), len(PROTECTIONS))
    if alive:
        line = Measured(
            f"{line.claim} (alive: {', '.join(alive)})", line.figure, line.goal, line.ok
        )
    return [line]


def mutants_killed(report: Path, postgres_url: str, wanted: Mapping[str, str]) -> set[str]:
    """Of these protections, those whose test passed with it and without it."""
    cases = run_tests(report, set(wanted.values()), postgres_url=postgres_url)
    passed = Counter(case.test for case in cases if case.passed)
    return {name for name, test in wanted.items() if passed[test] == len((False, True))}
