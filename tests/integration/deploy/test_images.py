"""The images' steps by hand: a service's own wheels alone, no root, from migration to SIGTERM."""

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.kafka import Kafka
from rapport_devkit.processes import free_port, tail
from rapport_devkit.stack_options import new_contact_keys
from tests.support.deploy.dockerfile import Builder, Stage
from tests.support.places import REPOSITORY

pytestmark = [
    *(pytest.mark.integration, pytest.mark.slow),
    pytest.mark.timeout(900),
]

FOREIGN = {
    "ingestion": {"phonenumbers", "aiosmtplib", "httpx", "scoring-service"},
    "scoring": {"phonenumbers", "aiosmtplib", "httpx", "ingestion-service"},
    "outreach": {"ingestion-service", "scoring-service"},
}
"""What an image must not hold: other services, and what only they need. And no image the devkit."""
READY_SECONDS = 90
RECORD_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    """In a folder that every user may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="rapport-image-"))
    made.chmod(0o755)
    yield Builder(REPOSITORY, made)
    shutil.rmtree(made)


@pytest.mark.parametrize(
    "service",
    [
        "outreach",
        *(pytest.param(name, marks=pytest.mark.storm) for name in ("ingestion", "scoring")),
    ],
)
def test_an_image_runs_with_its_own_wheels_alone_and_without_root(
    service: str,
    builder: Builder,
    kafka: Kafka,
    topic_prefix: str,
    empty_database: Callable[[str], ServiceDatabase],
) -> None:
    image = builder.build("deploy/Dockerfile", service, SERVICE=f"{service}-service")
    assert image.user
    held = image.distributions()
    assert f"{service}-service" in held
    assert not held & (FOREIGN[service] | {"rapport-devkit", "pytest"})

    database = empty_database(service)
    around = {
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "RAPPORT_TOPIC_PREFIX": topic_prefix,
        "RAPPORT_DATABASE_IN_CLEAR": "true",
        "RAPPORT_CURSOR_SECRET": "for this test alone",
        "RAPPORT_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "RAPPORT_RECORD_KEYS": json.dumps({"k1": RECORD_KEY}),
        "RAPPORT_RECORD_ACTIVE_KEY": "k1",
        **(new_contact_keys() if service == "outreach" else {}),
    }
    for command in ("migrate", "topics"):
        process, log = _start(image, command, around, database.owner_url)
        assert process.wait(120) == 0, tail(log)
    for command, url in (("api", database.api_url), ("worker", database.worker_url)):
        _serves_until_it_is_told_to_stop(image, command, around, url)


def test_the_sandbox_image_answers_without_root(builder: Builder, tmp_path: Path) -> None:
    image = builder.build("deploy/sandbox.Dockerfile", "sandbox")
    port, log = free_port(), tmp_path / "sandbox.log"
    deliveries = Path(tempfile.mkdtemp(prefix="rapport-sandbox-"))
    deliveries.chmod(0o777)
    arguments = [f"--http-port={port}", "--smtp-port=0", f"--log={deliveries}/deliveries.jsonl"]
    process = image.start(*arguments, environment={}, log=log)
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/health", log)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(deliveries)


def _start(
    image: Stage, command: str, around: dict[str, str], url: str, port: int = 0
) -> tuple["subprocess.Popen[bytes]", Path]:
    log = image.root / f"{command}.log"
    environment = {
        **around,
        "RAPPORT_DATABASE_URL": url,
        "RAPPORT_PORT": str(port),
        "RAPPORT_WORKER_PORT": str(port),
        "RAPPORT_HOST": "127.0.0.1",  # the image says 0.0.0.0: its container is the fence
    }
    return image.start(command, environment=environment, log=log), log


def _serves_until_it_is_told_to_stop(
    image: Stage, command: str, around: dict[str, str], url: str
) -> None:
    port = free_port()
    process, log = _start(image, command, around, url, port)
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/readyz", log)
        if os.geteuid() == 0:
            assert Path(f"/proc/{process.pid}").stat().st_uid == image.user
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, tail(log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        assert process.poll() is None, tail(log)
        assert time.monotonic() < deadline, tail(log)
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
