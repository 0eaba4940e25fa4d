"""Addresses and methods that are not there, and what a caller without a key learns of them."""

import pytest
from fastapi import APIRouter, Depends, FastAPI

from rapport_runtime.http.app import create_app
from rapport_runtime.http.auth import require
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, READER, problem, toy_app, toy_service


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return toy_app()


def test_a_method_that_is_not_there_is_told_with_all_that_are() -> None:
    two = APIRouter(dependencies=[Depends(require("things:read"))])
    two.add_api_route("/two", lambda: "got", methods=["GET"], name="get")
    two.add_api_route("/two", lambda: "put", methods=["PUT"], name="put")
    response = ask(create_app(toy_service(), [two]), "DELETE", "/two", headers=READER)
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, PUT"


def test_a_path_without_parameters_is_not_one_that_has_them() -> None:
    two = APIRouter(dependencies=[Depends(require("things:read"))])
    two.add_api_route("/two/{thing}", lambda thing: thing, methods=["GET"], name="one")
    two.add_api_route("/two/lookup", lambda: "found", methods=["POST"], name="lookup")
    response = ask(create_app(toy_service(), [two]), "DELETE", "/two/lookup", headers=READER)
    assert response.headers["allow"] == "POST"


def test_a_slash_at_the_end_is_another_address_and_no_redirect(app: FastAPI) -> None:
    problem(ask(app, "GET", "/v1/numbers/", headers=PRACTICE), 404, "not-found")


def test_who_is_not_let_in_learns_nothing_of_a_cursor(app: FastAPI) -> None:
    problem(ask(app, "GET", "/v1/numbers?cursor=forged"), 401, "unauthorised")
