"""The engine: operation. Help, pauses, alerts, status, the compose file, settings of production.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

import shutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

ALERTS = "tests/unit/deploy/test_alerts.py"
COMPOSE = "tests/integration/deploy/test_compose.py"
HELP = "tests/unit/test_commands_help.py"
OPERATORS = "tests/unit/rapport_runtime/test_operators.py"
PAUSES = "tests/integration/rapport_runtime/test_pauses.py::TestTheCommands"
PAUSE_API = "tests/integration/rapport_runtime/test_pause_api.py::TestPausing"
PROCESS = "tests/unit/rapport_runtime/test_process.py"
SECRETS = "tests/unit/test_service_secrets.py"
SETTINGS = "tests/unit/rapport_runtime/test_settings.py"
STATUS = "tests/integration/rapport_runtime/test_status_api.py::TestStatus"
WORKER = "tests/integration/rapport_runtime/test_worker.py::TestInProcess"

PROMTOOL = f"{ALERTS}::test_every_case_comes_out_as_it_says"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'trial-O3 (quoted: "API and worker both down for an hour: no alert"; 4 of 4 silent)': (
            f"{ALERTS}::test_each_outage_has_its_case",
            f"{ALERTS}::test_every_alert_has_a_case_in_which_it_fires",
            f"{ALERTS}::test_no_alert_is_kept_quiet_by_what_another_service_has_paused",
            f"{ALERTS}::test_every_target_says_whose_it_is",
        ),
        'trial-O4 (quoted: "--help runs the migrations", "starts a worker")': (HELP,),
        'trial-O5 (quoted: "After two hours the complaining client\'s messages go again")': (
            f"{PAUSES}::test_a_second_pause_never_shortens_the_first_and_says_so",
            f"{PAUSES}::test_a_second_pause_with_a_later_end_replaces_the_first",
            f"{PAUSE_API}::test_an_earlier_end_changes_nothing_and_the_answer_tells_the_end_in_force",
        ),
        'trial-O5 (quoted: resume of a typo is "was not paused", rc 0)': (
            f"{PAUSES}::test_what_makes_no_sense_is_refused_with_the_reason",
            f"{PAUSE_API}::test_of_what_is_not_known_nothing_is_resumed",
        ),
        "trial-O6 (quoted: no way to one's own rulebook; \"Kafka's TLS variables: no env_file\")": (
            f"{COMPOSE}::test_what_an_operator_sets_in_an_env_file_is_not_overridden",
            f"{COMPOSE}::test_every_process_sees_the_operators_own_files",
        ),
        'trial-O8 (quoted: "broker or database is not told")': (
            f"{WORKER}::test_without_the_broker_the_heartbeat_stops_and_it_recovers",
            f"{WORKER}::test_without_the_database_the_heartbeat_stops",
            f"{PROCESS}::test_a_worker_that_has_not_looked_yet_is_alive_and_not_ready",
            "tests/unit/test_starts_without_servers.py",
        ),
        'trial-O8 (quoted: a dead worker stays "without live/silent")': (
            f"{STATUS}::test_a_worker_is_live_silent_or_halted",
        ),
        'trial-O8 (quoted: "in a container always user 10001")': (
            f"{OPERATORS}::test_an_account_that_is_everybodys_must_say_who",
            f"{PAUSES}::test_nobody_acts_without_a_name",
            "tests/unit/deploy/test_runbook_commands.py",
        ),
        'trial-O8 (quoted: "BrokenPipe traceback", "~40 lines of kafka.net… at INFO")': (
            f"{OPERATORS}::test_a_reader_that_has_seen_enough_is_no_error",
            "tests/unit/rapport_runtime/test_logs.py::test_talkative_libraries_are_pinned",
        ),
        'trial-O9 (quoted: "starts a JVM every 5 s", "no log rotation", world-readable .env)': (
            f"{COMPOSE}::test_no_health_check_starts_a_jvm",
            f"{COMPOSE}::test_logs_are_bounded_and_data_is_closed_in_time",
            f"{COMPOSE}::test_secrets_are_for_their_owner_alone_and_never_overwritten",
            f"{COMPOSE}::test_an_image_of_ours_is_never_asked_of_a_registry",
            f"{COMPOSE}::test_a_script_that_the_database_runs_is_run_and_not_sourced",
            f"{COMPOSE}::test_the_files_head_and_the_documentation_begin_alike",
        ),
        'review-LOW (quoted: "Nothing refuses http:// …, or Postgres without sslmode")': (
            f"{SETTINGS}::test_in_production_nothing_leaves_the_host_in_clear",
            f"{SETTINGS}::test_what_is_encrypted_or_stays_or_is_told_by_name_is_taken",
            f"{SECRETS}::test_in_production_no_provider_is_spoken_to_in_clear",
            f"{SECRETS}::test_providers_by_tls_or_on_the_same_host_are_taken",
        ),
        'review-LOW (quoted: "base images by tag without digest"): pinned, or named as not': (
            f"{COMPOSE}::test_every_base_image_is_pinned_by_digest_or_stands_in_the_list_of_exceptions",
            f"{COMPOSE}::test_the_script_pins_every_base_image_and_again",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest; promtool where it is installed."""
    bench.say("the engine: operation")
    claims = dict(FINDINGS)
    if shutil.which("promtool"):
        claims["trial-O3: the cases of all alerts, as promtool finds them"] = (PROMTOOL,)
    yield from shown_by_one_run(bench, "operation", claims)
