"""The documents of an app and their pages: typed, and drawn without a network."""

import json
import re

import pytest
from fastapi import FastAPI

from rapport_runtime.http.app import create_app
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import router, toy_app, toy_service


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return toy_app()


def test_problems_are_typed_in_the_document(app: FastAPI) -> None:
    document = ask(app, "GET", "/openapi.json").json()
    answers = document["paths"]["/v1/things"]["post"]["responses"]
    assert "default" not in answers  # else a tool could not tell which statuses are meant
    for status in ("400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503"):
        schema = answers[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "errors" in document["components"]["schemas"]["Problem"]["properties"]
    assert "FieldError" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)
    assert document["paths"]["/v1/things"]["post"]["security"] == [{"ApiKey": ["things:write"]}]
    assert document["paths"]["/v1/things"]["post"]["x-key-holder"] == "practice"
    assert document["paths"]["/v1/operators"]["get"]["x-key-holder"] == "operator"
    following = document["paths"]["/v1/numbers"]["get"]["responses"]["200"]["links"]["next"]
    assert following["parameters"] == {"cursor": "$response.body#/next_cursor"}
    assert document["openapi"].startswith("3.1")


def test_the_docs_page_needs_nothing_from_elsewhere(app: FastAPI) -> None:
    page = ask(app, "GET", "/docs")
    assert "text/html" in page.headers["content-type"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "script-src 'self';" in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "LICENSE"):
        asset = ask(app, "GET", f"/docs/{name}")
        assert asset.status_code == 200
        assert asset.content
    assert "Apache License" in asset.text


def test_the_events_page_shows_the_services_document_and_needs_nothing_from_elsewhere() -> None:
    document = {"asyncapi": "3.0.0", "info": {"title": "Toy", "version": "1"}}
    app = create_app(toy_service(events=document), [router])
    assert ask(app, "GET", "/asyncapi.json").json() == document
    assert "`/docs/events`" in ask(app, "GET", "/openapi.json").json()["info"]["description"]
    page = ask(app, "GET", "/docs/events")
    assert "text/html" in page.headers["content-type"]
    assert "script-src 'self';" in page.headers["content-security-policy"]
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert sorted(addresses) == ["/asyncapi.json", "/docs/events/asyncapi-viewer.js", "data:,"]
    script = ask(app, "GET", "/docs/events/asyncapi-viewer.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "customElements.define(" in script.text
    assert "MIT License" in ask(app, "GET", "/docs/events/LICENSE").text


def test_a_service_without_events_has_no_page_of_them(app: FastAPI) -> None:
    assert "/docs/events" not in ask(app, "GET", "/openapi.json").text
    for path in ("/docs/events", "/asyncapi.json"):
        assert ask(app, "GET", path).json()["type"] == "urn:rapport:problem:not-found"
