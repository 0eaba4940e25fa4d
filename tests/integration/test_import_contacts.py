"""`import-contacts` against the real APIs of both services, with one key for both."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from outreach_service.importing import command, running
from outreach_service.importing.command import Place, import_contacts
from rapport_devkit.postgres import Postgres
from tests.integration.test_one_key import House
from tests.support.access_matrix.world import PRACTICE
from tests.support.servers.app_calls import ask

pytestmark = pytest.mark.integration
NAMESPACE = "front-desk"
HEADER = "客户编号,姓名,手机号,邮箱,营销同意,关怀同意,同意时间,备注\n"
ANSWERS = (
    *("--answer", "consent_channel=sms", "--answer", "since=form", "--answer", "no=withdrawn"),
    *("--answer", "time_zone=Asia/Shanghai", "--answer", "time_of_day=noon"),
    *("--answer", "evidence=cabinet 3", "--answer", "text_version=v1"),
)


@pytest.fixture(scope="module")
def house(postgres: Postgres) -> Iterator[House]:
    with ExitStack() as stack:
        made = House(stack, postgres)
        made.pass_on()
        yield made


def test_a_file_becomes_the_preferences_of_its_clients_once(
    house: House,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scopes = ["clients:read", "clients:write", "contacts:write", "consents:write"]
    body = {"practice_id": PRACTICE, "scopes": [*scopes, "preferences:read"], "label": "import"}
    key = house.ask("POST", "/v1/keys", json=body)["key"]
    house.pass_on()
    ids = []
    for number in ("A1", "A2"):
        identity = {"namespace": NAMESPACE, "external_id": number}
        answer = house.ingestion.call("PUT", "/v1/clients", key, json=identity)
        answer.raise_for_status()
        ids.append(answer.json()["client_id"])
    lost = iter([503])

    def client(url: str, used: str) -> httpx.Client:
        api = house.apis[url]

        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and (status := next(lost, None)):
                return httpx.Response(status, headers={"retry-after": "0"})
            headers = {"authorization": f"Bearer {used}", "content-type": "application/json"}
            path = request.url.path
            found = ask(api.app, request.method, path, headers=headers, content=request.content)
            return httpx.Response(found.status_code, content=found.content)

        return httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(running, "http_client", client)
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    place = Place("ingestion", "outreach", key)
    monkeypatch.setattr(command, "_place", lambda _options, _environment: place)
    file = tmp_path / "people.csv"
    file.write_text(
        HEADER
        + "A1,林小满,13800138000,lin@x.example,是,是,2024/6/1,秘密\n"
        + "A2,王大雪,139 0013 9000,,否,是,2024/6/2 9:00,\n"
        + "A3,x,13800138001,,是,,2024/6/1,\n"
        + "A1,林小满,,secret,,,,\n"
    )
    argv = [str(file), "--namespace", NAMESPACE, "--yes", *ANSWERS]
    states = []
    for _ in range(2):
        assert import_contacts(argv, {}) == 0
        states.append([_preferences(house, key, each) for each in ids])
    told = capsys.readouterr().out
    assert told.count("3 contacts, 4 consents and withdrawals; refused: 2") == 2
    assert "secret" not in told
    assert states[0] == states[1]
    (lin, lin_said), (wang, wang_said) = states[0]
    assert lin == {"sms": "***8000", "email": "***@x.example"}
    assert lin_said == {"care": True, "marketing": True}
    assert wang == {"sms": "***9000"}
    assert wang_said == {"care": True, "marketing": False}


def _preferences(house: House, key: str, client_id: str) -> tuple[dict[str, str], dict[str, bool]]:
    """A client's addresses, and what they consented to; each consent is said once."""
    answer = house.apis["outreach"].call("GET", f"/v1/clients/{client_id}/preferences", key)
    answer.raise_for_status()
    found = answer.json()
    assert {each["statements"] for each in found["consents"]} == {1}
    contacts = {each["channel"]: each["address"] for each in found["contacts"]}
    return contacts, {each["purpose"]: each["granted"] for each in found["consents"]}
