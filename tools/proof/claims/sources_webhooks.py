"""Sources: webhooks through the door, from the sample to the ledger."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

DOOR = "tests/integration/ingestion_service/test_webhooks.py"
ADAPTERS = "tests/unit/rapport_adapters"
MAPPING = f"{ADAPTERS}/test_mapping.py"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "webhooks: each sample becomes what its adapter's table says, through the door": (
            f"{DOOR}::test_every_adapter_can_be_declared_and_is_tried_here",
            f"{DOOR}::test_every_sample_becomes_what_its_adapter_reads",
            f"{DOOR}::test_every_sample_becomes_what_its_adapters_table_says",
            f"{ADAPTERS}/test_every_adapter.py::test_every_sample_stands_in_a_table",
        ),
        "webhooks: one that is sent again counts once": (
            f"{DOOR}::test_a_webhook_sent_again_counts_once",
        ),
        "webhooks: a forged or unsigned one is refused, and nothing is stored": (
            f"{DOOR}::test_a_forged_webhook_is_refused_before_it_is_read",
        ),
        "webhooks: one is accepted whole or not at all": (
            f"{DOOR}::test_a_webhook_is_accepted_whole_or_not_at_all",
        ),
        "webhooks: a guessed address is paid for, and secrets are never shown": (
            f"{DOOR}::test_a_guessed_address_is_paid_for_and_a_good_one_passes_all_the_same",
            f"{DOOR}::test_a_large_body_is_read_for_a_good_address_alone",
            f"{DOOR}::test_secrets_are_sealed_and_never_shown",
        ),
        "webhooks: a mapping that is data alone reads a payload that no adapter knows": (
            f"{MAPPING}::test_what_the_desk_sends_becomes_these_events",
            f"{MAPPING}::test_every_field_of_events_can_be_mapped",
            f"{MAPPING}::test_what_cannot_be_read_for_certain_is_refused_by_field",
        ),
        "webhooks: a dry run tells what would be read, and stores nothing": (
            f"{DOOR}::test_a_sample_is_tried_and_nothing_is_stored",
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: webhooks through the door")
    yield from shown_by_one_run(bench, "sources_webhooks", CLAIMS)
