"""Looks on while it storms: do the APIs answer, what do refusals say, how large does it grow."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from rapport_devkit.api_client import ApiClient
from rapport_devkit.postgres import Postgres
from rapport_devkit.stack import Stack

_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 20.0
_OK = 200


@dataclass(frozen=True)
class Answer:
    """One question to an API: `status` 0 when no answer came."""

    at: float
    service: str
    status: int
    seconds: float


@dataclass
class Watch:
    """A thread that asks every API once a second (`questions`: service -> client and path) and
    measures processes and connections; a context manager. Read it when it has ended."""

    stack: Stack
    postgres: Postgres
    questions: Mapping[str, tuple[ApiClient, str]]
    answers: list[Answer] = field(default_factory=list)
    refusals: set[str] = field(default_factory=set)
    most_memory: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    most_connections: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def silent_between(self, began: float, ended: float) -> list[Answer]:
        """Reads in between that were not answered with 200."""
        return [a for a in self.answers if began <= a.at <= ended and a.status != _OK]

    def _run(self) -> None:
        with httpx.Client(timeout=_PATIENCE_SECONDS) as http:
            while not self._stop.wait(_PAUSE_SECONDS):
                for service, (api, path) in self.questions.items():
                    self._ask(http, service, api, path)
                self._measure_processes()
                self._count_connections()

    def _ask(self, http: httpx.Client, service: str, api: ApiClient, path: str) -> None:
        sent_at = time.monotonic()
        try:
            response = http.get(api.base_url + path, headers={"Authorization": f"Bearer {api.key}"})
            status = response.status_code
            if status != _OK:
                self.refusals.add(response.text)
        except httpx.HTTPError:
            status = 0
        self.answers.append(Answer(sent_at, service, status, time.monotonic() - sent_at))

    def _measure_processes(self) -> None:
        for name, child in list(self.stack.supervisor.children.items()):
            try:
                status = Path(f"/proc/{child.pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            for line in status.splitlines():
                if line.startswith("VmRSS:"):
                    self.most_memory[name] = max(
                        self.most_memory[name], int(line.split()[1]) // 1024
                    )

    def _count_connections(self) -> None:
        """By application, past the proxy; nothing while the server is away."""
        try:
            with psycopg.connect(self.postgres.url(), connect_timeout=2) as connection:
                counted = connection.execute(
                    "SELECT application_name, count(*) FROM pg_stat_activity"
                    " WHERE application_name LIKE '%-service-%' GROUP BY 1"
                ).fetchall()
        except psycopg.OperationalError:
            return
        for name, count in counted:
            self.most_connections[name] = max(self.most_connections[name], count)
