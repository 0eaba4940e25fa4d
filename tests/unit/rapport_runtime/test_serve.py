"""A served app finishes what it has begun when it is told to stop, and exits with 0."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

PROGRAM = """
import time
from typing import Annotated, ClassVar
from fastapi import APIRouter, Depends
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

router = APIRouter(dependencies=[Depends(require("toy:read"))])

@router.get("/slow")
def slow() -> str:
    print("begun", flush=True)
    time.sleep(1)
    return "finished"

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


def _ask(address: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(address, headers={"Authorization": "Bearer k"}, timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_answering(number: signal.Signals) -> None:
    environment = {
        "RAPPORT_DATABASE_URL": "postgresql://toy@127.0.0.1:1/toy",
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "RAPPORT_PORT": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            address = _until(process, "running on").partition("http://")[2].split()[0]
            with ThreadPoolExecutor(1) as threads:
                answer = threads.submit(_ask, f"http://{address}/slow")
                _until(process, "begun")
                told_at = time.monotonic()
                process.send_signal(number)
                assert answer.result(10).json() == "finished"
            _until(process, "returned")
            assert process.wait(10) == 0
            assert time.monotonic() - told_at < 10
        finally:
            process.kill()
