"""All of Rapport as supervised processes on loopback; one call starts it, another stops it.

Apache Kafka, Postgres, databases, topics, migrations, the provider sandbox, and an API and workers
for each service. The demo, the end-to-end tests and the proof use it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType
from typing import Self
from urllib.parse import urlsplit

from rapport_contracts.topics import TOPICS
from rapport_devkit.api_client import ApiClient
from rapport_devkit.databases import ServiceDatabase, create_database
from rapport_devkit.failpoints import VARIABLE as FAILPOINTS
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_devkit.processes import (
    ProcessFailed,
    Stoppable,
    Supervised,
    Supervisor,
    free_port,
    tail,
)
from rapport_devkit.stack_options import (
    Environment,
    SandboxPorts,
    StackOptions,
    Surroundings,
    new_contact_keys,
    service_environment,
)
from rapport_runtime.bus.kafka import KafkaOptions, KafkaProducer, ensure_topics
from rapport_runtime.database import Database
from rapport_runtime.migrations import upgrade
from rapport_runtime.ops.keys import create_key

SANDBOX = "sandbox"

_NOTHING: Environment = MappingProxyType({})
_COMMAND_SECONDS = 300.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_PROBE_SECONDS = 2.0

Say = Callable[[str], None]


class Stack(Stoppable):
    """A running Rapport; a context manager. Processes are named `scoring-worker-1`, `scoring-api`.

    Servers that you give it keep running at the end; others it starts and stops itself. Start it
    from a thread that lives as long as the stack (see `processes.spawn`).
    """

    def __init__(
        self,
        options: StackOptions,
        *,
        postgres: Postgres | None = None,
        kafka: Kafka | None = None,
        say: Say = lambda _: None,
    ) -> None:
        self.options = options
        self.supervisor = Supervisor(options.folder / "logs")
        self._given = (postgres, kafka)
        self._postgres = postgres
        self._kafka = kafka
        self._say = say
        self._around: Surroundings | None = None
        self._probes: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._clients: list[ApiClient] = []

    # -- up and down ----------------------------------------------------------------------------

    def start(self) -> Self:
        """Start everything; returns when all processes answer /readyz with 200.

        Raises ProcessFailed, with the end of the log, when a process does not become ready; nothing
        is left running then.
        """
        try:
            self._start_servers()
            self._start_processes()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything that the stack started: services first, its own servers last."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        children = self.supervisor.children
        with ThreadPoolExecutor(max(1, len(children))) as pool:
            list(pool.map(lambda child: child.terminate(_STOP_SECONDS), children.values()))
        children.clear()
        given_postgres, given_kafka = self._given
        if self._kafka is not None and given_kafka is None:
            self._kafka.stop()
        if self._postgres is not None and given_postgres is None:
            self._postgres.stop()

    def __enter__(self) -> Self:
        return self.start()

    # -- single processes -----------------------------------------------------------------------

    def start_worker(
        self,
        service: str,
        *,
        environment: Environment = _NOTHING,
        failpoints: str = "",
        launcher: Sequence[str] = (),
        restart_on_exit: bool | None = None,
    ) -> str:
        """Start one more worker and return its name; it may not be ready yet (`wait_ready`).

        `failpoints` has the syntax of `rapport_devkit.failpoints`. `launcher` is a module with its
        arguments that becomes the service, such as one that alters it for a test.
        `restart_on_exit` None takes the value of the options.
        """
        self._counts[service] = number = self._counts.get(service, 0) + 1
        name = f"{service}-worker-{number}"
        port = free_port()
        self._probes[name] = f"http://127.0.0.1:{port}/readyz"
        own = {"RAPPORT_WORKER_PORT": str(port), **environment}
        if failpoints:
            launcher = ["rapport_devkit.failpoints", *launcher]
            own[FAILPOINTS] = failpoints
        restart = self.options.restart_on_exit if restart_on_exit is None else restart_on_exit
        self.supervisor.start(
            name,
            [sys.executable, "-m", *launcher, f"{service}_service", "worker"],
            env=self._environment(service, "worker", own),
            restart_on_exit=restart,
        )
        return name

    def child(self, name: str) -> Supervised:
        """A process by name, to kill, freeze, thaw or watch. Raises KeyError."""
        return self.supervisor.children[name]

    def workers(self, service: str) -> list[str]:
        """The names of a service's workers, running or ended, the oldest first."""
        return [name for name in self.supervisor.children if name.startswith(f"{service}-worker-")]

    def end_child(self, name: str) -> int:
        """Stop a process with SIGTERM, for good; the exit code. Raises KeyError."""
        self._probes.pop(name, None)
        return self.supervisor.children.pop(name).terminate(_STOP_SECONDS)

    def wait_ready(self, names: Iterable[str] | None = None) -> None:
        """Wait until these processes (default all) answer 200. Raises ProcessFailed."""
        deadline = time.monotonic() + self.options.ready_seconds
        for name in list(self._probes) if names is None else list(names):
            child = self.child(name)
            while not _answers(self._probes[name]):
                late = time.monotonic() > deadline
                gone = not child.running and not self.options.restart_on_exit
                if late or gone:
                    why = "is not ready in time" if late else "ended before it was ready"
                    raise ProcessFailed(f"{name} {why}:\n{tail(child.log)}")
                time.sleep(_POLL_SECONDS)

    def is_ready(self, name: str) -> bool:
        """Whether a process answers 200 to /readyz now. Raises KeyError."""
        return _answers(self._probes[name])

    # -- what is running ------------------------------------------------------------------------

    @property
    def postgres(self) -> Postgres:
        """The database server. Raises RuntimeError before `start`."""
        if self._postgres is None:
            raise RuntimeError("the stack has not been started")
        return self._postgres

    @property
    def kafka(self) -> Kafka:
        """The broker. Raises RuntimeError before `start`."""
        if self._kafka is None:
            raise RuntimeError("the stack has not been started")
        return self._kafka

    @property
    def sandbox(self) -> SandboxPorts:
        """The ports of the provider sandbox, which runs when outreach does."""
        return self._surroundings().sandbox

    def url(self, service: str) -> str:
        """The base address of a service's API."""
        return self._surroundings().urls[service]

    def database(self, service: str) -> ServiceDatabase:
        """The urls of a service's database, one for each role."""
        return self._surroundings().databases[service]

    def kafka_options(self, client_id: str) -> KafkaOptions:
        """The options by which this stack's services reach the broker, with their topic prefix."""
        return KafkaOptions(
            bootstrap_servers=self.kafka.bootstrap,
            client_id=client_id,
            topic_prefix=self.options.topic_prefix,
        )

    def producer(self) -> KafkaProducer:
        """An idempotent producer; the caller closes it."""
        return KafkaProducer(self.kafka_options("rapport-devkit"))

    def create_key(self, service: str, scopes: str, practice: str | None = None) -> str:
        """A new API key, made as by the service's `keys create`, but in this process, since six
        processes take six seconds. `scopes` with commas; an operator's key for `practice` None."""
        database = Database(self.database(service).owner_url, application_name="rapport-devkit")
        try:
            with database.transaction() as tx:
                return create_key(tx, practice_id=practice, scopes=scopes.split(","))
        finally:
            database.close()

    def operate(self, service: str, *command: str) -> str:
        """What an operator's command of a service prints, given where a worker runs. Raises
        ProcessFailed unless it ends with 0."""
        return _output(service, self.start_command(service, *command))

    def start_command(
        self, service: str, *command: str, failpoints: str = ""
    ) -> subprocess.Popen[str]:
        """Start an operator's command where a worker runs, with failpoints as `start_worker` has
        them; the caller reads what it prints, and waits for its end."""
        return self._run(service, "worker", *command, failpoints=failpoints)

    def start_purge(self, service: str) -> subprocess.Popen[str]:
        """A purge of a service's database, which removes at once; the caller waits for its end."""
        return self._run(
            service, "purge", "purge", "--confirm", "--why", "a test", "--by", "devkit"
        )

    def api(self, service: str, key: str) -> ApiClient:
        """A client of a service's API; closed with the stack."""
        client = ApiClient(self.url(service), key)
        self._clients.append(client)
        return client

    # -- the steps of starting ------------------------------------------------------------------

    def _start_servers(self) -> None:
        folder = self.options.folder
        if self._postgres is None:
            self._say("starting Postgres")
            self._postgres = Postgres.start(folder / "postgres", durable=self.options.durable)
        if self._kafka is None:
            self._say("starting Apache Kafka")
            self._kafka = Kafka.start(folder / "kafka", jars=self.options.jars)
        self._say("creating topics and databases")
        ensure_topics(self.kafka_options("rapport-devkit"), TOPICS)
        prefix = self.options.database_prefix
        self._around = Surroundings(
            bootstrap=self._kafka.bootstrap,
            databases={
                service: create_database(self._postgres.url(), service, prefix=prefix)
                for service in self.options.services
            },
            urls={service: f"http://127.0.0.1:{free_port()}" for service in self.options.services},
            sandbox=SandboxPorts(http=free_port(), smtp=free_port()),
            contact_keys=new_contact_keys(),
        )

    def _start_processes(self) -> None:
        if "outreach" in self.options.services:
            self._start_sandbox()
        self._say("migrating the databases")
        for service in self.options.services:
            # As by `migrate` of the service, but in this process: a new one takes two seconds more.
            upgrade(self.database(service).owner_url, f"{service}_service")
        self._say("starting the services")
        for service in self.options.services:
            self._start_api(service)
            for _ in range(self.options.workers):
                self.start_worker(service)
        self.wait_ready()

    def _start_sandbox(self) -> None:
        ports = self.sandbox
        self._probes[SANDBOX] = f"{ports.url}/health"
        listen = [f"--http-port={ports.http}", f"--smtp-port={ports.smtp}"]
        log = f"--log={self.options.folder / 'deliveries.jsonl'}"
        self.supervisor.start(
            SANDBOX,
            [
                *(sys.executable, "-m", "rapport_devkit.sandbox"),
                *(*listen, log),
                *self.options.sandbox_arguments,
            ],
        )

    def _start_api(self, service: str) -> None:
        name, url = f"{service}-api", self.url(service)
        self._probes[name] = f"{url}/readyz"
        own = {"RAPPORT_PORT": url.rpartition(":")[2]}
        self.supervisor.start(
            name,
            [sys.executable, "-m", f"{service}_service", "api"],
            env=self._environment(service, "api", own),
            restart_on_exit=self.options.restart_on_exit,
        )

    def _environment(self, service: str, role: str, own: Environment) -> Environment:
        database = self.database(service)
        urls = {
            "api": database.api_url,
            "worker": database.worker_url,
            "purge": database.purge_url,
        }
        return {
            **service_environment(self.options, self._surroundings(), service),
            "RAPPORT_DATABASE_URL": urls[role],
            **own,
        }

    def _surroundings(self) -> Surroundings:
        if self._around is None:
            raise RuntimeError("the stack has not been started")
        return self._around

    def _run(
        self, service: str, role: str, *command: str, failpoints: str = ""
    ) -> subprocess.Popen[str]:
        """Start a short command of a service with this role of its database."""
        launcher = ["rapport_devkit.failpoints"] if failpoints else []
        own = {FAILPOINTS: failpoints} if failpoints else _NOTHING
        return subprocess.Popen(
            [sys.executable, "-m", *launcher, f"{service}_service", *command],
            env={**os.environ, **self._environment(service, role, own)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _output(service: str, process: subprocess.Popen[str]) -> str:
    """What a short command printed. Raises ProcessFailed unless it ends with 0."""
    try:
        output, errors = process.communicate(timeout=_COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    if process.returncode != 0:
        raise ProcessFailed(f"{service}: a command ended with {process.returncode}:\n{errors}")
    return output


def _answers(url: str) -> bool:
    """Asked by a plain connection: for each question a client of httpx would first read all
    certificates of the system, which costs more than the answer."""
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
