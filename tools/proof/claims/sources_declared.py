"""Sources: whose events are taken, and whose client they name."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

SUITE = "tests/integration/ingestion_service/test_store_suite.py::TestSources"
UNDECLARED = "tests/unit/ingestion_service/test_undeclared.py"
API = "tests/integration/ingestion_service/test_api_sources.py"
SIGNED = "tests/integration/ingestion_service/test_signed_events.py"
SIGNED_RECORDS = "tests/unit/ingestion_service/test_signed_records.py"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "declared: an event of an undeclared source waits, and counts once it is declared": (
            f"{UNDECLARED}::test_it_waits_and_is_accepted_in_order_when_the_source_is_declared",
            f"{UNDECLARED}::test_what_is_declared_does_not_wait_for_what_is_not",
            f"{SUITE}::test_a_source_that_is_not_declared_is_refused_and_fixes_nothing",
            f"{SUITE}::test_records_wait_until_their_source_is_declared_and_move_in_order",
        ),
        "declared: sources of one namespace name one client": (
            f"{SUITE}::test_whose_clients_a_source_speaks_of_is_declared",
            f"{SUITE}::test_a_person_is_registered_by_several_identities_at_once",
            f"{SUITE}::test_two_clients_are_not_joined_and_both_are_named",
        ),
        "declared: a payment that creates no client, before and after its link: one client": (
            f"{SUITE}::test_what_names_a_client_whom_nobody_knows_waits_for_it",
            f"{SUITE}::test_a_payment_before_or_after_its_link_makes_no_second_client",
        ),
        "declared: e-mails and phones are hashed at the door": (
            f"{SUITE}::test_who_is_known_by_e_mail_or_phone_is_known_by_a_hash_alone",
            f"{SUITE}::test_a_personal_id_that_cannot_be_read_is_refused_and_not_repeated",
            f"{SUITE}::test_what_waits_for_a_personal_client_is_hashed_too",
        ),
        "declared: what decides who a client is cannot be changed afterwards": (
            f"{SUITE}::test_what_decides_who_a_client_is_is_fixed_then",
            f"{SUITE}::test_sources_of_a_namespace_agree_on_its_clients",
            f"{SUITE}::test_what_was_accepted_fixes_the_declaration",
            API,
        ),
        "declared: a source that signs is refused unsigned, over REST and on the bus": (
            SIGNED,
            SIGNED_RECORDS,
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: what is declared, and who signs")
    yield from shown_by_one_run(bench, "sources_declared", CLAIMS)
