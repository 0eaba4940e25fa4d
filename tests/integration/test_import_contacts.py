"""`import-contacts` against the real APIs of both services, with one key for both."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from outreach_service.importing import command, running
from outreach_service.importing.command import import_contacts
from outreach_service.importing.place import Place
from rapport_devkit.postgres import Postgres
from tests.integration.test_one_key import House
from tests.support.access_matrix.world import PRACTICE
from tests.support.servers.app_calls import ask

pytestmark = pytest.mark.integration
NAMESPACE = "front-desk"
FILE = (
    "客户编号,姓名,手机号,邮箱,营销同意,关怀同意,同意时间,备注\n"
    "A1,林小满,+8613800138000,lin@x.example,是,是,2024/6/1,秘密\n"
    "A2,王大雪,+86 139 0013 9000,,否,是,2024/6/2 9:00,\n"
    "A3,x,+8613800138001,,是,,2024/6/1,\n"
    "A1,林小满,,secret,,,,\n"
)
ANSWERS = (
    *("--answer", "consent_channel=sms", "--answer", "since=form", "--answer", "no=withdrawn"),
    *("--answer", "time_zone=Asia/Shanghai", "--answer", "time_of_day=noon"),
    *("--answer", "evidence=cabinet 3", "--answer", "text_version=v1"),
)
SCOPES = ["clients:read", "clients:write", "contacts:write", "consents:write", "preferences:read"]


@pytest.fixture(scope="module")
def house(postgres: Postgres) -> Iterator[House]:
    with ExitStack() as stack:
        made = House(stack, postgres)
        made.pass_on()
        made.now_is(datetime(2030, 1, 1, tzinfo=UTC))
        yield made


@pytest.fixture
def key(house: House) -> str:
    """A key that both services know."""
    body = {"practice_id": PRACTICE, "scopes": SCOPES, "label": "import"}
    made = str(house.ask("POST", "/v1/keys", json=body)["key"])
    house.pass_on()
    return made


def client_of(house: House) -> Callable[[str, str], httpx.Client]:
    """Makes clients of the apps in this process; the first POST finds nobody there."""
    lost = iter([503])

    def client(name: str, key: str) -> httpx.Client:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and (status := next(lost, None)):
                return httpx.Response(status, headers={"retry-after": "0"})
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            body, app = request.content, house.apis[name].app
            found = ask(app, request.method, request.url.path, headers=headers, content=body)
            return httpx.Response(found.status_code, content=found.content)

        return httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))

    return client


def test_a_file_becomes_the_preferences_of_its_clients_once(
    house: House,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(running, "http_client", client_of(house))
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    place = Place("ingestion", "outreach", key)
    monkeypatch.setattr(command, "_place", lambda _options, _environment: place)
    ids = [_registered(house, key, number) for number in ("A1", "A2")]
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    states = []
    for _ in range(2):
        assert import_contacts([str(file), "--namespace", NAMESPACE, "--yes", *ANSWERS], {}) == 0
        states.append([_preferences(house, key, each) for each in ids])
    told = capsys.readouterr().out
    assert told.count("3 contacts, 4 consents and withdrawals; refused: 2") == 2
    assert "secret" not in told
    assert states[0] == states[1]
    assert states[0] == [
        ({"sms": "***8000", "email": "***@x.example"}, {"care": True, "marketing": True}),
        ({"sms": "***9000"}, {"care": True, "marketing": False}),
    ]


def _registered(house: House, key: str, number: str) -> str:
    """The client of a number of the front desk."""
    identity = {"namespace": NAMESPACE, "external_id": number}
    answer = house.ingestion.call("PUT", "/v1/clients", key, json=identity)
    answer.raise_for_status()
    return str(answer.json()["client_id"])


def _preferences(house: House, key: str, client_id: str) -> tuple[dict[str, str], dict[str, bool]]:
    """A client's addresses, and what they consented to; each consent is said once."""
    answer = house.apis["outreach"].call("GET", f"/v1/clients/{client_id}/preferences", key)
    answer.raise_for_status()
    found = answer.json()
    assert {each["statements"] for each in found["consents"]} == {1}
    contacts = {each["channel"]: each["address"] for each in found["contacts"]}
    return contacts, {each["purpose"]: each["granted"] for each in found["consents"]}
