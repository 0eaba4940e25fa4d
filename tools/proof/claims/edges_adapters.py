"""The edges: webhooks of other systems, who sent them and what becomes of them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

FOLDER = "tests/unit/rapport_adapters"
EVERY = f"{FOLDER}/test_every_adapter.py"
TOGETHER = "tests/unit/test_webhooks_to_activities.py"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "adapters: each trap of Cal.com becomes the events written by hand": (
            f"{FOLDER}/test_calcom.py",
            f"{EVERY}::test_every_sample_stands_in_a_table",
        ),
        "adapters: each trap of Stripe becomes the events written by hand": (
            f"{FOLDER}/test_stripe.py",
        ),
        "adapters: each trap of WeChat Pay becomes the events written by hand": (
            f"{FOLDER}/test_wechat_pay.py",
        ),
        "adapters: what is altered, forged, doubled, unsigned or old is refused": (
            f"{EVERY}::test_a_body_altered_in_one_byte_is_refused",
            f"{EVERY}::test_each_signing_header_must_be_there",
            f"{EVERY}::test_each_signing_header_must_be_there_once",
            f"{EVERY}::test_while_a_secret_is_changed_both_hold",
            f"{EVERY}::test_a_source_without_a_secret_cannot_be_declared",
        ),
        "adapters: whatever comes is read, or refused by one of two errors": (
            f"{EVERY}::test_bytes_are_read_or_refused",
            f"{EVERY}::test_headers_pass_or_are_refused",
            f"{EVERY}::test_a_sample_with_odd_values_is_read_or_refused",
        ),
        "adapters: webhooks in any order and twice come to the same visits and money": (TOGETHER,),
    }
)


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("the edges: webhooks of Cal.com, Stripe and WeChat Pay")
    yield from shown_by_one_run(bench, "edges_adapters", CLAIMS)
