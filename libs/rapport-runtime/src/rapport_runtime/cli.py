"""How the chassis's parts are put together, the same way in every service's bootstrap."""

import argparse
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from fastapi import FastAPI

from rapport_runtime import gc_tuning, logs, migrations
from rapport_runtime.bus.kafka import (
    KafkaConsumer,
    KafkaOptions,
    KafkaProducer,
    KafkaSecurity,
    TopicPlan,
    ensure_topics,
)
from rapport_runtime.bus.port import Producer, TopicPartition
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.http.probes import serve_probes
from rapport_runtime.http.serve import serve
from rapport_runtime.ops import keys, pause_cli
from rapport_runtime.ops.operators import OperatorCommand
from rapport_runtime.ops.pauses import Pausable
from rapport_runtime.settings import PREFIX, ServiceSettings, SettingsError
from rapport_runtime.stream.batch import BatchHandler
from rapport_runtime.stream.dead_letters import cli as dead_letter_cli
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.watermarks import Now, ReadToEnd
from rapport_runtime.stream.worker import Worker, stop_on_signals

Command = Callable[[Sequence[str]], int]
Settings = TypeVar("Settings", bound=ServiceSettings)


def kafka_options(settings: ServiceSettings, role: str) -> KafkaOptions:
    """Where the cluster is, for a process of this service in this role."""
    password = settings.kafka_sasl_password
    return KafkaOptions(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        client_id=f"{settings.service}-{role}",
        security=KafkaSecurity(
            protocol=settings.kafka_security_protocol,
            ca_file=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
        ),
        topic_prefix=settings.topic_prefix,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
    )


class Partitioned(Protocol):
    """A topic, as far as its partitions go."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...


class Retained(Partitioned, Protocol):
    """A topic as it is created; `retention_ms` None means compacted."""

    @property
    def retention_ms(self) -> int | None: ...


def partitions_of(*topics: Partitioned) -> frozenset[TopicPartition]:
    """Every partition of these topics."""
    return frozenset(
        TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)
    )


def worker_database(settings: ServiceSettings) -> Database:
    """The database for a worker: a transaction of a frozen one ends before its session does; one
    that failed for a connection lost is begun again anyway."""
    return Database(
        settings.database_url.get_secret_value(),
        application_name=f"{settings.service}-worker",
        limits=DatabaseLimits(
            idle_in_transaction_ms=settings.idle_in_transaction_ms, ask_first=False
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a service's worker is there for.

    `now` is given by a service whose topics carry no watermarks: it then says how far it has read
    by its own clock, which `clock_jumps` when it is set by hand. `side_task` runs on a thread of
    its own until the event is set; if it fails, the worker ends with 1.
    """

    group: str
    topics: Sequence[str]
    now: Now | None = None
    clock_jumps: bool = False
    side_task: Callable[[threading.Event], None] | None = None


def commands(
    settings: type[Settings],
    package: str,
    *,
    api: Callable[[Settings], FastAPI],
    worker: Callable[[Settings, Database, Producer], tuple[BatchHandler, Job]],
    pausable: Pausable,
    topics: Sequence[Retained],
) -> Mapping[str, Command]:
    """What every service can be told to do: to run, to prepare, and what operators need.

    `api` builds the app, on the API role's address; `worker` the handler and its job, on the
    worker's. `migrate` and `keys` need the owner's address; pause, resume, pauses, audit and
    letters the worker's, so that they can be given where a worker runs. `topics` are those that
    the command of that name creates where they are missing: the house's whole table, whichever
    service is asked.
    """

    def run_api(_argv: Sequence[str]) -> int:
        chosen = settings.from_environment()
        serve(api(chosen), chosen)
        return 0

    def run_worker(_argv: Sequence[str]) -> int:
        chosen = settings.from_environment()
        stop = stop_on_signals()
        database = worker_database(chosen)
        producer = KafkaProducer(kafka_options(chosen, "relay"), stop=stop)
        try:
            handler, job = worker(chosen, database, producer)
            return work(chosen, database, handler, job, stop)
        finally:
            producer.close()
            database.close()

    def migrate(_argv: Sequence[str]) -> int:
        chosen = settings.from_environment()
        migrations.upgrade(chosen.database_url.get_secret_value(), package)
        return 0

    def manage_keys(argv: Sequence[str]) -> int:
        chosen = settings.from_environment()
        return keys.cli(chosen.database_url.get_secret_value(), argv)

    for_operators = {"letters": dead_letter_cli.letters, **pause_cli.commands(pausable)}
    return {
        "api": run_api,
        "worker": run_worker,
        "migrate": migrate,
        "topics": _creating(settings, package, topics),
        "keys": manage_keys,
        **{name: _operating(settings, run) for name, run in for_operators.items()},
    }


def _creating(settings: type[Settings], package: str, topics: Sequence[Retained]) -> Command:
    """The command that creates the topics that are missing."""

    def run(argv: Sequence[str]) -> int:
        parser = argparse.ArgumentParser(prog=f"{package} topics")
        parser.add_argument("--replication-factor", type=int, default=1)
        asked = parser.parse_args(argv)
        options = kafka_options(settings.from_environment(), "topics")
        plans = [
            TopicPlan(name=t.name, partitions=t.partitions, retention_ms=t.retention_ms)
            for t in topics
        ]
        ensure_topics(options, plans, replication_factor=asked.replication_factor)
        return 0

    return run


def _operating(settings: type[Settings], command: OperatorCommand) -> Command:
    """A command of operators, on the worker's database."""

    def run(argv: Sequence[str]) -> int:
        chosen = settings.from_environment()
        database = worker_database(chosen)
        try:
            return command(database, chosen.cursor_key, argv)
        finally:
            database.close()

    return run


def work(
    settings: ServiceSettings,
    database: Database,
    handler: BatchHandler,
    job: Job,
    stop: threading.Event,
) -> int:
    """Run one worker of the job's group until `stop` is set; its exit code."""
    consumer = KafkaConsumer(kafka_options(settings, "worker"), job.group, job.topics)
    limit = DeadLetterLimit(
        settings.dead_letter_max_ratio,
        settings.dead_letter_min_sample,
        settings.dead_letter_max_consecutive,
    )
    options = LoopOptions(group=job.group, max_records=settings.max_poll_records)
    loop = BatchLoop(consumer, database, handler, options, limit)
    between_polls: list[Callable[[], None]] = []
    if job.now is not None:
        reader = ReadToEnd(database, job.group, job.now, jumps=job.clock_jumps)
        between_polls.append(lambda: reader.observe(consumer, loop))
    worker = Worker(
        group=job.group,
        consumer=consumer,
        database=database,
        loop=loop,
        between_polls=between_polls,
    )
    checks = {"progress": worker.heartbeat.ready}
    probes = serve_probes(
        settings.worker_port, checks, stop, settings.host, lambda: loop.stopped.said()
    )
    side_thread = SideThread(job.side_task, stop) if job.side_task else None
    gc_tuning.tune_gc()
    try:
        code = worker.run(stop)
    finally:
        stop.set()  # else the side thread would keep a process alive that works no more
    if side_thread is not None:
        code = code or side_thread.join()
    probes.join()
    return code


class SideThread:
    """A second loop of the same worker, on a thread; when one fails both end."""

    def __init__(self, body: Callable[[threading.Event], None], stop: threading.Event) -> None:
        self._body = body
        self._stop = stop
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="side_thread")
        self._thread.start()

    def join(self) -> int:
        """Wait until it has finished what it held; 1 if it had failed, else 0."""
        self._thread.join()
        return int(self._failed)

    def _run(self) -> None:
        try:
            self._body(self._stop)
        except BaseException:  # noqa: BLE001 - whatever it was, the worker must end with it
            self._failed = True
            logs.get_logger(__name__).exception("side_thread_failed")
            self._stop.set()


def main(service: str, commands: Mapping[str, Command], argv: Sequence[str]) -> int:
    """Run the sub-command that `argv` names with the rest of it.

    Returns the process's exit code: 2 when the environment lacks something, which is then named.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {service}")
    parser.add_argument("command", choices=sorted(commands))
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    asked = parser.parse_args(argv)
    logs.configure(service, os.environ.get(f"{PREFIX}LOG_LEVEL", "INFO"))
    try:
        return commands[asked.command](asked.rest)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
