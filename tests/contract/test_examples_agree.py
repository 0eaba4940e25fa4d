"""The examples of the documents do not contradict themselves, nor each other."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from rapport_contracts.topics import TOPICS
from tests.support.contracts import documents

SERVICES = ("ingestion-service", "scoring-service", "outreach-service")
of_each = pytest.mark.parametrize("service", SERVICES)
CONSENTS = "/v1/clients/{client_id}/consents"
MESSAGE = "/v1/messages/{message_id}"
LETTER = "/v1/dead-letters/{letter_id}"


def operations(service: str) -> dict[str, Any]:
    """By path, then by method."""
    paths: dict[str, Any] = documents.read(documents.PACKAGE, f"openapi/{service}.json")["paths"]
    return paths


def media(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["content"]["application/json"]
    return found


def asked(service: str, path: str, method: str = "post") -> Any:
    return media(operations(service)[path][method]["requestBody"])["example"]


def answered(service: str, path: str, method: str = "post", status: str = "200") -> Any:
    return media(operations(service)[path][method]["responses"][status])["example"]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Each object of an example, however deep."""
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict):
        yield node
    for each in inside:
        yield from objects(each)


def shown(service: str) -> list[dict[str, Any]]:
    """Each object in an example of a request or of a success."""
    found: list[dict[str, Any]] = []
    for methods in operations(service).values():
        for one in methods.values():
            for part in (one.get("requestBody", {}), *one["responses"].values()):
                for content in part.get("content", {}).values():
                    found += objects(content.get("example"))
    return found


@of_each
def test_each_topic_and_group_of_an_example_is_one_of_the_service(service: str) -> None:
    read = {topic.name for topic in TOPICS if service in topic.readers}
    letters = [one for one in shown(service) if "consumer_group" in one]
    assert letters
    assert {one["topic"] for one in letters} <= read
    assert {one["consumer_group"] for one in letters} == {service}


@of_each
def test_a_decision_on_a_letter_shows_in_the_letter(service: str) -> None:
    queued = answered(service, f"{LETTER}/replay", status="202")
    dropped = answered(service, f"{LETTER}/drop")
    held = answered(service, LETTER, "get")
    assert [one["state"] for one in (held, queued, dropped)] == ["held", "queued", "dropped"]
    assert [one["decided_at"] is None for one in (held, queued, dropped)] == [True, True, False]
    many = "/v1/dead-letters/replay"
    answer = answered(service, many, status="202")
    assert answer["dry_run"] is asked(service, many)["dry_run"]


@of_each
def test_what_is_resumed_is_what_can_be_paused_by_that_name(service: str) -> None:
    for path in ("/v1/pauses", "/v1/pauses/resume"):
        body = asked(service, path)
        assert (body["kind"], body["subject"]) == ("practice", "lantern-harbour")
    assert answered(service, "/v1/pauses")["paused"] is True
    assert answered(service, "/v1/pauses/resume")["paused"] is False
    (pause,) = answered(service, "/v1/pauses", "get")["items"]
    assert (pause["kind"], pause["subject"], pause["until"]) == (
        "practice",
        "lantern-harbour",
        None,
    )


def test_inputs_are_complete_where_nothing_is_missing() -> None:
    answers = [one for one in shown("scoring-service") if "inputs_complete" in one]
    assert answers
    assert all(one["inputs_complete"] is not bool(one["inputs_incomplete"]) for one in answers)


def test_a_change_by_activity_was_not_due_on_a_day() -> None:
    lines = [one for one in shown("scoring-service") if one.get("reason") == "activity"]
    assert lines
    assert all(one.get("due_on") is None for one in lines)


@pytest.mark.parametrize(
    ("path", "reasons"),
    [("/v1/contacts", ["invalid-address"]), ("/v1/consents", ["stated-in-the-future"])],
)
def test_some_are_rejected_where_the_status_says_so(path: str, reasons: list[str]) -> None:
    all_saved = answered("outreach-service", path)["items"]
    assert [one["outcome"] for one in all_saved] == ["saved"]
    some = answered("outreach-service", path, status="207")["items"]
    assert [one["reason"] for one in some if one["outcome"] == "rejected"] == reasons
    assert [one["index"] for one in some] == [0, 1]


def test_a_consent_is_answered_as_it_was_sent() -> None:
    body = asked("outreach-service", CONSENTS, "put")
    answer = answered("outreach-service", CONSENTS, "put")
    sent, kept = (datetime.fromisoformat(one.pop("stated_at")) for one in (body, answer))
    assert (sent, kept.utcoffset()) == (kept, timedelta())
    assert {
        name: one for name, one in answer.items() if name != "client_id"
    }.items() <= body.items()


def test_a_decision_on_a_message_shows_in_the_message() -> None:
    approved = answered("outreach-service", f"{MESSAGE}/approve")
    cancelled = answered("outreach-service", f"{MESSAGE}/cancel")
    assert (approved["state"], approved["reason"], approved["approved"]) == (
        "scheduled",
        None,
        True,
    )
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "cancelled-by-staff")
    one = answered("outreach-service", MESSAGE, "get")
    assert one["attempts"] == len(one["tries"]) == 1
    (waiting,) = answered("outreach-service", "/v1/messages", "get")["items"]
    unsent = [each["sent_at"] for each in (approved, cancelled, waiting)]
    assert (one["sent_at"] is not None, unsent) == (True, [None, None, None])
