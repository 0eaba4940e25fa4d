"""Who may speak on which topic: the list is made of the contracts, and says what is meant."""

import subprocess
from pathlib import Path

import pytest

from rapport_contracts.topics import TOPICS
from rapport_runtime.topic_access import Grant, grants, script
from tests.support.places import REPOSITORY

FILE = REPOSITORY / "deploy" / "kafka" / "acls.sh"
BY_HAND = {
    "source.bookings.v1": ({"booking-systems"}, {"ingestion-service"}),
    "source.payments.v1": ({"payment-systems"}, {"ingestion-service"}),
    "source.signals.v1": ({"signal-systems"}, {"ingestion-service"}),
    "source.care.v1": ({"care-systems"}, {"ingestion-service"}),
    "practices.v1": ({"ingestion-service"}, {"scoring-service", "outreach-service"}),
    "keys.v1": ({"ingestion-service"}, {"scoring-service", "outreach-service"}),
    "client-activity.v1": ({"ingestion-service"}, {"scoring-service", "outreach-service"}),
    "care-signals.v1": ({"ingestion-service"}, {"outreach-service"}),
    "tier-changes.v1": ({"scoring-service"}, {"outreach-service", "subscribers"}),
    "outreach-events.v1": ({"outreach-service"}, {"subscribers"}),
}
"""Topic -> who writes it, and who else reads it."""
SERVICES = {"ingestion-service", "scoring-service", "outreach-service"}


def who(topic: str, operation: str) -> set[str]:
    return {
        grant.principal
        for grant in grants(TOPICS)
        if (grant.kind, grant.name) == ("topic", topic) and operation in grant.operations
    }


def test_the_script_in_deploy_is_that_of_todays_topics() -> None:
    """Anew by `RAPPORT_… ingestion-service topics --access > deploy/kafka/acls.sh`."""
    assert FILE.read_text("utf-8") == script(TOPICS)


def test_every_topic_has_its_writers_and_readers_and_nobody_else() -> None:
    assert {topic.name for topic in TOPICS} == BY_HAND.keys()
    for topic, (writers, readers) in BY_HAND.items():
        assert who(topic, "Write") == writers
        assert who(topic, "Read") == readers | (writers & SERVICES)


def test_grading_and_the_console_have_no_right_to_care() -> None:
    """Nor has who sends or reads anything else (ADR 52)."""
    of_care = {"source.care.v1", "care-signals.v1"}
    given = [each for each in grants(TOPICS) if each.kind == "topic" and each.name in of_care]
    assert {each.principal for each in given} == {
        *("care-systems", "ingestion-service", "outreach-service", "rapport-operators")
    }
    assert not [each for each in given if each.is_prefix]
    reading = {each.principal for each in given if "Read" in each.operations}
    assert reading == {"ingestion-service", "outreach-service"}


def test_who_makes_topics_cannot_write_or_read_them() -> None:
    for topic in BY_HAND:
        assert who(topic, "Create") == {"rapport-operators"}
    given = [grant for grant in grants(TOPICS) if grant.principal == "rapport-operators"]
    assert not [grant for grant in given if {"Read", "Write"} & {*grant.operations}]


def test_a_service_reads_in_its_own_group_alone() -> None:
    groups = {grant.principal: grant for grant in grants(TOPICS) if grant.kind == "group"}
    for service in SERVICES:
        assert groups[service] == Grant(service, "group", service, ("Read",))
    assert groups["subscribers"] == Grant(
        "subscribers", "group", "subscribers-", ("Read",), is_prefix=True
    )
    assert groups.keys() == SERVICES | {"subscribers"}


def test_a_prefix_stands_before_every_topic_and_group() -> None:
    assert {grant.name.startswith("eu.") for grant in grants(TOPICS, "eu.")} == {True}


def test_the_script_asks_kafkas_own_tool_once_for_each(tmp_path: Path) -> None:
    tool, asked = tmp_path / "kafka-acls.sh", tmp_path / "asked"
    tool.touch(0o755)
    tool.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    around = {"PATH": f"{tmp_path}:/usr/bin:/bin", "BOOTSTRAP": "kafka:9092", "ADMIN": "admin.cfg"}
    subprocess.run(["sh", FILE], env=around, check=True)
    lines = asked.read_text("utf-8").splitlines()
    assert len(lines) == len(grants(TOPICS))
    assert lines[0] == (
        "--bootstrap-server kafka:9092 --command-config admin.cfg --add --force"
        " --allow-principal User:booking-systems --operation Write --topic source.bookings.v1"
    )


@pytest.mark.parametrize("variable", ["BOOTSTRAP", "ADMIN"])
def test_without_an_address_and_a_log_in_it_does_nothing(variable: str) -> None:
    around = {"PATH": "/usr/bin:/bin", "BOOTSTRAP": "kafka:9092", "ADMIN": "admin.cfg"}
    del around[variable]
    ended = subprocess.run(["sh", FILE], env=around, capture_output=True, check=False)
    assert ended.returncode != 0
