"""What the settings of a topic are on a cluster of so many brokers, and whose topics are whose."""

from typing import Any

import kafka.errors
import pytest

from rapport_contracts.topics import CLIENT_ACTIVITY, TOPICS
from rapport_runtime.bus.kafka import KafkaOptions, check_topics
from rapport_runtime.bus.kafka import client as client_module
from rapport_runtime.bus.kafka.topics import settings_of
from rapport_runtime.errors import TryLater
from rapport_runtime.topics import topics_of


@pytest.mark.parametrize(("replicas", "needed"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_a_record_counts_as_written_on_two_brokers_as_soon_as_one_of_three_may_be_down(
    replicas: int, needed: str
) -> None:
    assert settings_of(CLIENT_ACTIVITY, replicas) == {
        **CLIENT_ACTIVITY.settings,
        "min.insync.replicas": needed,
    }


@pytest.mark.parametrize(
    ("service", "names"),
    [
        (
            "ingestion-service",
            {
                *("source.bookings.v1", "source.payments.v1"),
                *("source.signals.v1", "source.care.v1", "care-signals.v1"),
                *("practices.v1", "keys.v1", "client-activity.v1"),
            },
        ),
        ("scoring-service", {"practices.v1", "keys.v1", "client-activity.v1", "tier-changes.v1"}),
        (
            "outreach-service",
            {
                *("practices.v1", "keys.v1", "client-activity.v1"),
                *("tier-changes.v1", "outreach-events.v1", "care-signals.v1"),
            },
        ),
    ],
)
def test_a_service_checks_the_topics_that_it_reads_and_writes(
    service: str, names: set[str]
) -> None:
    assert {topic.name for topic in topics_of(service, TOPICS)} == names


def test_brokers_that_do_not_answer_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise kafka.errors.KafkaConnectionError

    monkeypatch.setattr(client_module, "KafkaAdminClient", away)
    options = KafkaOptions(bootstrap_servers="nowhere:1", client_id="test")
    with pytest.raises(TryLater, match="KafkaConnectionError"):
        check_topics(options, TOPICS)
