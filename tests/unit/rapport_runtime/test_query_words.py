"""A word in a query that an operation does not know is refused, and never ignored."""

import pytest
from fastapi import FastAPI

from tests.support.as_documented import assert_as_documented
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import READER, problem, toy_app


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return toy_app()


@pytest.mark.parametrize(
    ("path", "unknown", "known"),
    [
        pytest.param("/v1/numbers?least=3&mots=4", "mots", "cursor, least, limit", id="misspelt"),
        pytest.param("/v1/numbers?Limit=3", "Limit", "cursor, least, limit", id="another case"),
        pytest.param("/v1/numbers?limit=3&most", "most", "cursor, least, limit", id="no value"),
        pytest.param("/v1/things/x?limit=3", "limit", "none", id="an operation without any"),
    ],
)
def test_a_query_word_that_the_operation_does_not_know_is_refused(
    app: FastAPI, path: str, unknown: str, known: str
) -> None:
    answer = problem(ask(app, "GET", path, headers=READER), 422, "invalid-request")
    assert (answer["reason"], answer["detail"]) == (
        "unknown-parameter",
        f"1 unknown in the query; known: {known}",
    )
    assert [(e["location"], e["parameter"]) for e in answer["errors"]] == [("query", unknown)]


def test_who_has_no_key_learns_no_query_words(app: FastAPI) -> None:
    problem(ask(app, "GET", "/v1/numbers?mots=4"), 401, "unauthorised")


def test_the_routes_know_the_words_and_media_types_that_the_document_shows(app: FastAPI) -> None:
    assert_as_documented(app)
