"""The published schemas of documents accept what the readers accept, and refuse a wrong shape."""

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from outreach_service.builtin import LANGUAGES, builtin_catalogue, builtin_playbook
from outreach_service.documents.schemas import document_schemas, playbook_schema
from tests.support.generators.outreach_values import a_play_document

SCHEMAS = document_schemas()
BODY = Draft202012Validator(playbook_schema(builtin_catalogue()))


def of_package(package: str, *place: str) -> Any:
    return json.loads(files(package).joinpath(*place).read_text("utf-8"))


def with_play(**changes: Any) -> dict[str, Any]:
    return {"key": "k", "plays": [a_play_document(**changes)]}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(builtin_playbook(), id="built in"),
        pytest.param(of_package("rapport_devkit", "data", "playbook.json"), id="of the demo"),
    ],
)
def test_the_shipped_playbooks_fit_both_of_their_schemas(document: Any) -> None:
    assert Draft202012Validator(SCHEMAS["playbook"]).is_valid(document)
    assert BODY.is_valid(document)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_texts_fit_their_schema(language: str) -> None:
    document = of_package("outreach_service", "templates", f"{language}.json")

    assert Draft202012Validator(SCHEMAS["templates"]).is_valid(document)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"surprise": 1}, id="an unknown key"),
        pytest.param({"mode": "shout"}, id="an unknown mode"),
        pytest.param({"steps": []}, id="no step"),
        pytest.param({"expires_after": "P1M"}, id="a month"),
        pytest.param({"expires_after": "PT0S"}, id="expires at once"),
        pytest.param({"unless": {"newer_activity": None}}, id="null for a flag"),
        pytest.param({"when": {"directions": []}}, id="no direction"),
    ],
)
def test_both_schemas_of_a_playbook_refuse_a_wrong_shape(changes: dict[str, Any]) -> None:
    assert BODY.is_valid(with_play())
    assert not BODY.is_valid(with_play(**changes))
    assert not Draft202012Validator(SCHEMAS["playbook"]).is_valid(with_play(**changes))


@pytest.mark.parametrize(
    ("purpose", "channel", "template"),
    [
        pytest.param("marketing", "wechat", "win-back", id="marketing by WeChat"),
        pytest.param("care", "sms", "win-back", id="another purpose's text"),
        pytest.param("care", "sms", "unheard-of", id="no such text"),
        pytest.param("service", "sms", "check-in", id="a purpose without texts"),
    ],
)
def test_the_request_body_takes_only_routes_that_have_a_text(
    purpose: str, channel: str, template: str
) -> None:
    route = {"channel": channel, "template": template}

    assert not BODY.is_valid(with_play(purpose=purpose, steps=[{"channels": [route]}]))
