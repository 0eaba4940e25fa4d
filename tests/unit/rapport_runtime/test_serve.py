"""A served app finishes what it has begun when it is told to stop, and exits with 0."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

PROGRAM = """
import time
from typing import Annotated, ClassVar
from fastapi import APIRouter, Depends, Request
from rapport_runtime import logs
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.auth import require
from rapport_runtime.http.serve import serve
from rapport_runtime.settings import ServiceSettings

class Settings(ServiceSettings):
    service: ClassVar[str] = "toy"

class Keys:
    def verify(self, raw_key):
        return Principal("k", "north", frozenset({"toy:read"}))
    def verify_many(self, raw_keys):
        return {key: self.verify(key) for key in raw_keys}

router = APIRouter(dependencies=[Depends(require("toy:read"))])

@router.get("/slow")
def slow() -> str:
    print("begun", flush=True)
    time.sleep(1)
    return "finished"

@router.get("/caller")
def caller(request: Request) -> str:
    return request.client.host

settings = Settings.from_environment()
logs.configure("toy", "INFO")
app = create_app(
    Service(title="t", version="1", description="", keys=Keys(), cursor_key=b"k"), [router]
)
serve(app, settings)
print("returned", flush=True)
"""


def _until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return line
    raise AssertionError(f"{word} was never said")


def _ask(address: str, **headers: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(address, headers={"Authorization": "Bearer k"} | headers, timeout=10)


@contextmanager
def served(**environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and its address."""
    known = {
        "RAPPORT_DATABASE_URL": "postgresql://toy@127.0.0.1:1/toy",
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "RAPPORT_PORT": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env=known | environment,
    ) as process:
        try:
            yield process, _until(process, "running on").partition("http://")[2].split()[0]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_answering(number: signal.Signals) -> None:
    with served() as (process, address):
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(_ask, f"http://{address}/slow")
            _until(process, "begun")
            told_at = time.monotonic()
            process.send_signal(number)
            assert answer.result(10).json() == "finished"
        _until(process, "returned")
        assert process.wait(10) == 0
        assert time.monotonic() - told_at < 10


@pytest.mark.parametrize(
    ("trusted", "sent", "caller"),
    [
        pytest.param("", "203.0.113.7", "127.0.0.1", id="nobody's word is taken"),
        pytest.param("10.0.0.0/8", "203.0.113.7", "127.0.0.1", id="another proxy's word is"),
        pytest.param("127.0.0.1", "203.0.113.7", "203.0.113.7", id="the proxy names the caller"),
        pytest.param(
            "127.0.0.1,10.0.0.0/8",
            "198.51.100.1, 203.0.113.7, 10.1.1.1",
            "203.0.113.7",
            id="what a caller says before that is not believed",
        ),
        pytest.param("127.0.0.1", "203.0.113.7:4711", "203.0.113.7", id="without its port"),
        pytest.param(
            "127.0.0.1,10.0.0.0/8",
            "203.0.113.7, ::ffff:10.1.1.1",
            "203.0.113.7",
            id="a proxy in the other spelling",
        ),
        pytest.param(
            "::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7", id="named in the other spelling"
        ),
    ],
)
def test_whose_word_is_taken_on_a_callers_address(trusted: str, sent: str, caller: str) -> None:
    environment = {"RAPPORT_TRUSTED_PROXIES": trusted} if trusted else {}
    with served(FORWARDED_ALLOW_IPS="*", **environment) as (_, address):
        answer = _ask(f"http://{address}/caller", **{"X-Forwarded-For": sent})
        assert answer.json() == caller
