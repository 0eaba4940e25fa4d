"""Tools that others read our documents with: a validator, and a generator of clients."""

import asyncio
import compileall
import importlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import openapi_spec_validator
import pytest

from rapport_contracts.examples import examples_of
from tests.support.contracts import api_without_rows, documents
from tests.support.contracts.documents import APPS, PACKAGE

CLIENT = "2fd2a63a675d5e4bb10c8a4dc82ba496"
CONTACTS: Mapping[str, Mapping[str, str]] = {
    "SmsContact": {"channel": "sms", "address": "+8613800138000"},
    "EmailContact": {"channel": "email", "address": "lin@lantern-harbour.com"},
    "WechatContact": {"channel": "wechat", "address": "oLVPpjqs9BhvzwPj5A-vTYAX3GLc"},
}


def document(service: str) -> Path:
    return PACKAGE / "openapi" / f"{service}.json"


@pytest.mark.parametrize("service", APPS)
def test_a_document_is_valid_openapi(service: str) -> None:
    openapi_spec_validator.validate(documents.read(PACKAGE, f"openapi/{service}.json"))


def test_the_validator_finds_a_seeded_fault() -> None:
    broken = documents.read(PACKAGE, "openapi/scoring-service.json")
    stream = broken["paths"]["/v1/tier-changes/stream"]["get"]["responses"]["200"]
    stream["content"]["text/event-stream"]["itemSchema"] = {}
    with pytest.raises(openapi_spec_validator.validation.exceptions.OpenAPIValidationError):
        openapi_spec_validator.validate(broken)


@pytest.fixture(scope="module")
def generated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The service, and the name of the package that was generated for it."""
    folder = tmp_path_factory.mktemp("generated")
    service: str = request.param
    package = service.replace("-", "_") + "_client"
    (folder / "config.yml").write_text("post_hooks: []\n", "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate"),
            *("--path", str(document(service)), "--meta", "none"),
            *("--config", str(folder / "config.yml"), "--output-path", str(folder / package)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "WARNING" in done.stderr + done.stdout) == (0, False), (
        done.stdout + done.stderr
    )
    sys.path.insert(0, str(folder))
    yield service, package
    sys.path.remove(str(folder))


def module(package: str, name: str) -> ModuleType:
    return importlib.import_module(f"{package}.{name}")


def of(*services: str) -> pytest.MarkDecorator:
    """A client of each of these services is generated for the test."""
    return pytest.mark.parametrize("generated", services, indirect=True)


@of(*APPS)
def test_a_generated_client_has_every_operation(generated: tuple[str, str]) -> None:
    service, package = generated
    folder = Path(str(module(package, "client").__file__)).parent
    assert compileall.compile_dir(folder, quiet=1)
    calls = [path for path in (folder / "api").glob("*/*.py") if path.stem != "__init__"]
    shown = [one for one in api_without_rows.every_operation() if one.service == service]
    assert len(calls) == len(shown)


@of(*APPS)
def test_the_classes_of_a_generated_client_have_names_for_people(
    generated: tuple[str, str],
) -> None:
    """`PlaybookPutPlaybookBodyPlaysItemType0StepsItem` is a place and no name."""
    _, package = generated
    names = [name for name in vars(module(package, "models")) if name[0].isupper()]
    assert [name for name in names if "ItemType" in name or "Type1" in name] == []
    assert [name for name in names if len(name) > 50] == []


@of("ingestion-service")
def test_a_generated_client_sends_the_events_of_the_examples(generated: tuple[str, str]) -> None:
    service, package = generated
    models = module(package, "models")
    for event_type, name in (
        ("rapport.payment.settled.v1", "PaymentSettled"),
        ("rapport.booking.created.v1", "BookingCreated"),
    ):
        for event in examples_of(event_type).values():
            body = getattr(models, name).from_dict(event)
            answer = call(service, package, "events.events_post_events", body=body)
            assert answer.status_code == 503, answer.content


@of("outreach-service")
def test_a_generated_client_sets_a_contact_of_each_channel(generated: tuple[str, str]) -> None:
    service, package = generated
    models = module(package, "models")
    for name, given in CONTACTS.items():
        body = getattr(models, name).from_dict({**given, "name": "林小满"})
        answer = call(service, package, "clients.clients_put_contact", client_id=CLIENT, body=body)
        assert answer.status_code == 503, answer.content
        with pytest.raises(KeyError, match="name"):
            getattr(models, name).from_dict(given)


def call(service: str, package: str, operation: str, **values: Any) -> Any:
    """One call through the generated client; 503 is what is left to say without a database."""
    transport = httpx.ASGITransport(app=api_without_rows.app(service))
    client = module(package, "client").AuthenticatedClient(
        base_url="http://api", token="practice", httpx_args={"transport": transport}
    )
    request = module(package, f"api.{operation}").asyncio_detailed
    return asyncio.run(request(client=client, **values))
