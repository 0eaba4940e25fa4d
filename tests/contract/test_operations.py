"""Each operation of the three APIs says what it does, and shows a body and an answer that hold."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rapport_contracts import schemas
from rapport_contracts.examples import BUNDLE
from rapport_runtime.http.examples import NOTHING_SAID
from tests.support.contracts import api_without_rows, documents
from tests.support.contracts.api_without_rows import OfService

OPERATIONS = api_without_rows.every_operation()
WITH_KEY = [one for one in OPERATIONS if one.operation.scope]
WITH_BODY = [one for one in OPERATIONS if one.operation.has_body]
SERVED_TO_MAIL = "/v1/unsubscribe/{token}"
each = pytest.mark.parametrize("one", OPERATIONS, ids=str)


def fits(value: Any, schema: Any, document: dict[str, Any]) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [
        f"{fault.json_path}: {fault.message[:200]}"
        for fault in Draft202012Validator(whole).iter_errors(value)
    ]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else ():
        yield from texts(inner)
    for inner in value if isinstance(value, list) else ():
        yield from texts(inner)


@each
def test_an_operation_says_what_it_does_for_its_caller(one: OfService) -> None:
    summary, description = (one.operation.spec[name] for name in ("summary", "description"))
    function = one.operation.spec["operationId"].rpartition("-")[2].replace("_", " ")
    assert len(summary.split()) >= 3, summary
    assert summary.lower() != function.lower()
    assert (summary[0].isupper(), summary[-1:].isalnum(), len(summary) <= 120) == (
        True,
        True,
        True,
    ), summary
    assert len(description.split()) >= 5


def test_operations_have_names_that_code_can_have() -> None:
    for service in documents.APPS:
        names = [one.operation.spec["operationId"] for one in OPERATIONS if one.service == service]
        assert [name for name, times in Counter(names).items() if times > 1] == []
        assert [name for name in names if not re.fullmatch(r"[a-z-]+-[a-z_]+", name)] == []


@pytest.mark.parametrize("service", documents.APPS)
def test_every_group_is_described(service: str) -> None:
    document = api_without_rows.app(service).openapi()
    used = {
        tag for one in OPERATIONS if one.service == service for tag in one.operation.spec["tags"]
    }
    assert {tag["name"] for tag in document["tags"]} == used
    assert [tag["name"] for tag in document["tags"] if not tag["description"].endswith(".")] == []


@each
def test_an_operation_shows_examples_that_its_schemas_permit(one: OfService) -> None:
    shown = list(one.requests())
    assert bool(shown) is one.operation.has_body
    for body in shown:
        schema = one.operation.spec["requestBody"]["content"]["application/json"]["schema"]
        assert fits(body, schema, one.document) == []
    for status, examples in one.answers():
        assert examples, f"{status} has no example"
        for media in one.operation.spec["responses"][status]["content"].values():
            assert all(fits(example, media["schema"], one.document) == [] for example in examples)


@pytest.mark.parametrize("name", [" ", "till ", "\u200b", "a\nb"])
@pytest.mark.parametrize("field", ["namespace", "external_id"])
def test_an_identity_that_nobody_sees_whole_is_refused(field: str, name: str) -> None:
    (one,) = (
        one for one in OPERATIONS if one.operation.spec["operationId"] == "clients-put_client"
    )
    answer = one.call(json={"namespace": "till", "external_id": "c-1042", field: name})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{field}"]


@pytest.mark.parametrize(
    ("field", "use"), [("region", "Phone numbers"), ("discreet_name", "messages show")]
)
def test_a_field_says_what_uses_it(field: str, use: str) -> None:
    document = api_without_rows.app("ingestion-service").openapi()
    said = document["components"]["schemas"]["PracticeBody"]["properties"][field]
    assert use in said["description"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Lakeside Depression & Anxiety Counselling", "'depression'"),
        ("海港心理咨询中心", "'心理'"),
        ("Harbour Ｔｈｅｒａｐｙ", "'therapy'"),
        ("www.harbour.example", "a link"),
        ("【海港】", "the signature of an SMS"),
        ("Harbour \ue000", "not every screen"),
    ],
)
def test_a_discreet_name_that_tells_what_clients_come_for_is_refused_by_name(
    name: str, word: str
) -> None:
    (one,) = (
        one for one in OPERATIONS if one.operation.spec["operationId"] == "practices-put_practice"
    )
    body = {"name": name, "zone": "Asia/Shanghai", "currency": "CNY", "discreet_name": name}
    answer = one.call(json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], word in fault["detail"]) == ("/discreet_name", True)


@each
def test_no_example_says_nothing(one: OfService) -> None:
    shown = [*one.requests(), *(example for _, examples in one.answers() for example in examples)]
    assert [text for text in texts(shown) if text == NOTHING_SAID] == []


@pytest.mark.parametrize("one", WITH_BODY, ids=str)
def test_an_example_of_a_body_is_accepted_as_it_stands(one: OfService) -> None:
    """503 is what is left to say: all is well, and there is no database."""
    for body in one.requests():
        answer = one.call(json=body)
        assert answer.status_code == 503, answer.text


@pytest.mark.parametrize("one", WITH_KEY, ids=str)
def test_a_query_word_that_the_document_does_not_name_is_refused(one: OfService) -> None:
    answer = one.call(query="?surprise=1")
    assert (answer.status_code, answer.json()["reason"]) == (422, "unknown-parameter")
    assert [fault["parameter"] for fault in answer.json()["errors"]] == ["surprise"]
    known = sorted(one.operation.parameters("query"))
    assert answer.json()["detail"].endswith(f"known: {', '.join(known) or 'none'}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_in_a_mail_takes_whatever_a_mail_program_appends(method: str) -> None:
    (one,) = (
        one
        for one in OPERATIONS
        if (one.operation.path, one.operation.method) == (SERVED_TO_MAIL, method)
    )
    assert one.call(query="?utm_source=mail").status_code == one.call().status_code == 404


@pytest.mark.parametrize(
    "one", [one for one in OPERATIONS if one.operation.method == "GET"], ids=str
)
def test_head_is_answered_as_get_is(one: OfService) -> None:
    got, head = one.call(), one.call("HEAD")
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_the_bundle_holds_the_examples_of_the_repository() -> None:
    """`make schemas` writes it."""
    (path,) = (documents.PACKAGE / "src").glob(f"*/{BUNDLE}")
    assert path.read_text("utf-8") == schemas.bundle(schemas.EXAMPLES)


@each
def test_each_part_of_a_path_has_an_example(one: OfService) -> None:
    parts = [part for part in one.operation.spec.get("parameters", ()) if part.get("in") == "path"]
    assert [part["name"] for part in parts if not part["schema"].get("examples")] == []


def test_the_examples_of_operations_follow_on_each_other() -> None:
    by_id = {one.operation.spec["operationId"]: one for one in OPERATIONS}
    sent = [each for each in by_id["events-post_events"].requests() if isinstance(each, dict)]
    (practice,) = {each["practiceid"] for each in sent}
    assert by_id["practices-put_practice"].address == f"/v1/practices/{practice}"
    identities = {(each["source"], each["subject"]) for each in sent}
    (registered,) = by_id["clients-put_client"].requests()
    (asked,) = by_id["clients-lookup"].requests()
    assert (registered["namespace"], registered["external_id"]) in identities
    assert asked["items"] == [registered]
    ((_, (made,)), *_) = by_id["clients-put_client"].answers()
    for name in ("clients-client", "clients-list_activity", "clients-get_preferences"):
        assert f"/v1/clients/{made['client_id']}" in by_id[name].address


def test_whoever_sends_events_reads_how_large_they_may_be() -> None:
    (one,) = (one for one in WITH_BODY if one.operation.path == "/v1/events")
    assert "1 MiB" in one.operation.spec["description"]


def test_events_are_shown_as_the_repository_has_them() -> None:
    (one,) = (one for one in WITH_BODY if one.operation.path == "/v1/events")
    kept = [json.loads(path.read_bytes()) for path in schemas.EXAMPLES.glob("*/*.json")]
    shown = [
        event for body in one.requests() for event in (body if isinstance(body, list) else [body])
    ]
    assert len(shown) >= 4
    assert [event for event in shown if event not in kept] == []


@pytest.mark.parametrize(
    "one", [one for one in WITH_BODY if one.operation.path != "/v1/events"], ids=str
)
def test_a_key_in_a_body_that_the_document_does_not_name_is_refused(one: OfService) -> None:
    """Of an event it is kept: CloudEvents may carry further attributes."""
    schema = one.operation.spec["requestBody"]["content"]["application/json"]["schema"]
    for body in one.requests():
        wrong = {**body, "surprise": 1}
        assert fits(wrong, schema, one.document)
        answer = one.call(json=wrong)
        assert answer.status_code == 422
        assert "surprise" in str([fault["pointer"] for fault in answer.json()["errors"]])


@pytest.mark.parametrize("one", WITH_BODY, ids=str)
def test_a_body_that_is_not_declared_as_json_is_refused(one: OfService) -> None:
    """As `curl -d` sends it."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for headers in (form, {}):
        answer = one.call(content=json.dumps(next(one.requests())), headers=headers)
        assert answer.status_code == 415
        assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    "one", [one for one in WITH_KEY if one.operation.parameters("query")], ids=str
)
def test_a_query_word_that_comes_twice_is_refused(one: OfService) -> None:
    word = min(one.operation.parameters("query"))
    answer = one.call(query=f"?{word}=1&{word}=1")
    assert (answer.status_code, answer.json()["reason"]) == (422, "repeated-parameter")
    assert [fault["parameter"] for fault in answer.json()["errors"]] == [word]
