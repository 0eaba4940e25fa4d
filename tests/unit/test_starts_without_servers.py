"""What starts while nothing answers it says for what it waits, and ends in good order."""

import json
import os
import signal
import subprocess
import sys

import httpx

NOTHING_THERE = {
    "RAPPORT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "RAPPORT_WORKER_PORT": "0",
    "RAPPORT_ENVIRONMENT": "development",
}

TOPICS = """
import sys
from rapport_runtime.bus.kafka import topics
from ingestion_service.__main__ import run
topics.SET_UP_TIMEOUT_MS = 300
sys.argv[1:] = ["topics"]
sys.exit(run())
"""


def test_without_a_broker_a_workers_probe_says_so_from_the_start() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ingestion_service", "worker"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **NOTHING_THERE},
    ) as process:
        assert process.stdout is not None
        port = 0
        for line in process.stdout:
            told = json.loads(line)
            port = told.get("port", port)
            if told["action"] == "look_waits":
                break
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as probes:
            assert probes.get("/healthz").status_code == 200
            ready = probes.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"]["progress"].endswith("waits for the broker")
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) == 0


def test_without_a_broker_topics_ends_with_a_line_and_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOPICS],
        capture_output=True,
        text=True,
        env={**os.environ, **NOTHING_THERE},
        check=False,
    )
    assert done.returncode == 1
    assert "KafkaTimeoutError" in done.stderr
    assert "Traceback" not in done.stderr
