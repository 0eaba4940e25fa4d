"""What is too much is refused at once: statements, waiting for connections, lookups (S15, S20)."""

from collections.abc import Callable
from typing import ClassVar

import psycopg
import pytest
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import text

from rapport_runtime.connections import api_database, probe_database
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.auth import require
from rapport_runtime.settings import ServiceSettings
from tests.support.access_matrix.world import ApiWorld, common_settings
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, FakeKeys

pytestmark = pytest.mark.integration
_CONTACT = {"phone", "email", "address", "openid", "name", "msisdn", "mobile"}


def toy_over(database: Database, statement: str) -> APIRouter:
    """One route that asks one thing of the database."""
    router = APIRouter(dependencies=[Depends(require("things:read"))])

    @router.get("/slow")
    def slow() -> str:
        with database.transaction("harbour") as tx:
            tx.execute(text(statement))
        return "done"

    return router


def key_database(app: FastAPI) -> Database:
    """The small pool that the app's bootstrap opened for keys and probes."""
    database = app.state.keys._verifier._database
    assert isinstance(database, Database)
    return database


def answer_of(database: Database, statement: str) -> tuple[int, str]:
    service = Service(
        title="t", version="0", description="t", keys=FakeKeys(), cursor_key=b"k" * 32
    )
    app = create_app(service, [toy_over(database, statement)])
    response = ask(app, "GET", "/slow", headers=PRACTICE)
    return response.status_code, response.json()["type"] if response.status_code > 400 else ""


UNAVAILABLE = (503, "urn:rapport:problem:unavailable")


def test_a_statement_that_takes_too_long_is_a_503(world: ApiWorld) -> None:
    short = Database(
        world.urls.api_url, application_name="test", limits=DatabaseLimits(statement_ms=100)
    )
    assert answer_of(short, "SELECT pg_sleep(60)") == UNAVAILABLE
    assert answer_of(short, "SELECT 1") == (200, "")
    short.close()


def test_no_connection_left_is_a_503_and_not_a_hang(world: ApiWorld) -> None:
    narrow = Database(
        world.urls.api_url,
        application_name="test",
        limits=DatabaseLimits(pool_size=1, max_overflow=0, pool_wait_seconds=0.1),
    )
    with narrow.transaction("harbour"):
        assert answer_of(narrow, "SELECT 1") == UNAVAILABLE
    assert answer_of(narrow, "SELECT 1") == (200, "")
    narrow.close()


def test_a_lock_that_is_not_to_be_had_is_a_503(world: ApiWorld) -> None:
    hasty = Database(
        world.urls.api_url, application_name="test", limits=DatabaseLimits(lock_ms=100)
    )
    with psycopg.connect(world.urls.owner_url) as owner:
        owner.execute("LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE")
        assert answer_of(hasty, "SELECT count(*) FROM api_key") == UNAVAILABLE
        owner.rollback()
    hasty.close()


class ToySettings(ServiceSettings):
    service: ClassVar[str] = "toy"


@pytest.mark.parametrize("opened", [api_database, probe_database])
def test_every_connection_of_an_api_has_its_limits(
    world: ApiWorld, opened: Callable[[ServiceSettings], Database]
) -> None:
    """The server shows what holds for such a connection: far less than for a worker's."""
    pool = opened(ToySettings(**common_settings(world.urls)))
    with pool.transaction() as tx:
        name = tx.scalar(text("SHOW application_name"))
        assert name in {"toy-api", "toy-api-probes"}
        assert tx.scalar(text("SHOW statement_timeout")) == "10s"
        assert tx.scalar(text("SHOW lock_timeout")) == "10s"
        assert tx.scalar(text("SHOW idle_in_transaction_session_timeout")) == "10s"
    pool.close()


def test_keys_have_a_pool_of_their_own(world: ApiWorld) -> None:
    with key_database(world.app).transaction() as tx:
        name = tx.scalar(text("SHOW application_name"))
        assert name == f"{world.service}-service-api-probes"


def test_no_operation_finds_anybody_by_a_phone_or_an_address(world: ApiWorld) -> None:
    """Contact details go in and never lead to a client: there is nothing to enumerate by."""
    for operation in world.operations:
        parameters = {*operation.parameters("query"), *operation.parameters("path")}
        assert not parameters & _CONTACT, operation.label
