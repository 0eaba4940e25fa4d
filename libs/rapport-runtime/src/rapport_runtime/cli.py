"""The commands of a service, the same in every bootstrap, and the `main` that runs one of them."""

import argparse
import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi import FastAPI

from rapport_runtime import logs, topic_access
from rapport_runtime.bus.kafka import (
    KafkaLogReader,
    KafkaProducer,
    check_topics,
    ensure_topics,
)
from rapport_runtime.bus.port import Producer
from rapport_runtime.connections import kafka_options, purge_database, worker_database
from rapport_runtime.database import Database
from rapport_runtime.errors import LoopHalted, MigrationBlocked, TopicsDiffer, TryLater
from rapport_runtime.http.serve import serve
from rapport_runtime.ops import key_cli, pause_cli
from rapport_runtime.ops.key_scopes import KnownScope
from rapport_runtime.ops.operators import OperatorCommand, print_lines
from rapport_runtime.ops.pauses import Pausable
from rapport_runtime.ops.shared_keys import PublishKey
from rapport_runtime.retention.classes import read_classes
from rapport_runtime.retention.cli import purge_command, purge_parser
from rapport_runtime.retention.purge import Purge
from rapport_runtime.retention.ways import Way
from rapport_runtime.settings import LOG_LEVELS, PREFIX, ServiceSettings, SettingsError
from rapport_runtime.stream.batch import BatchHandler
from rapport_runtime.stream.dead_letters import cli as dead_letter_cli
from rapport_runtime.stream.dead_letters.resealing import reseal_letters, reseal_parser
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.look import OutputLook, await_look
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.process import Job, WorkerProcess
from rapport_runtime.stream.restored import (
    AfterRestore,
    Restoration,
    restored_command,
    restored_parser,
)
from rapport_runtime.stream.skip import Skip, skip_command, skip_parser
from rapport_runtime.stream.worker import note_halt, stop_on_signals
from rapport_runtime.topics import SharedTopic, topics_of

Command = Callable[[Sequence[str]], int]
"""From the arguments after the command's name to the exit code. A command understands its arguments
before it reads a setting or opens anything: help needs no environment, and does nothing else."""

PROCESSES = ("api", "worker")
"""The commands whose output is their log; the others answer on stdout, and log to stderr."""

Settings = TypeVar("Settings", bound=ServiceSettings)


@dataclass(frozen=True, kw_only=True)
class Handles:
    """What operators can do to a service: what they can pause, what it publishes (a worker looks
    at that before it does anything), what `restored` does for it, how `purge` removes the classes
    of retention that have a term, what API keys may do (`scopes`), and how other services are told
    of a key that a command has made or ended; and the commands that this service alone has."""

    pausable: Pausable
    output: Output
    after_restore: AfterRestore
    ways: Mapping[str, Way]
    scopes: Collection[KnownScope]
    publish_key: PublishKey | None = None
    own: Mapping[str, OperatorCommand] = field(default_factory=dict)


def commands(
    settings: type[Settings],
    package: str,
    *,
    api: Callable[[Settings], FastAPI],
    worker: Callable[[Settings, Database, Producer], tuple[BatchHandler, Job]],
    topics: Sequence[SharedTopic],
    handles: Handles,
) -> Mapping[str, Command]:
    """The commands of every service by name: its processes, its preparation, its operators'.

    `api` builds the app for the API's role, `worker` the handler and the job for the worker's.
    `migrate` and `keys` need the owner's address; pause, resume, pauses, audit, letters, skip,
    reseal and restored need the worker's, so that they can be given where a worker runs; purge
    its own.
    `topics` are the topics of all services: the command of that name creates those that are
    missing, and checks the others; a worker checks its own before it reads.
    """
    for_operators = {
        "letters": dead_letter_cli.letters,
        **pause_cli.commands(handles.pausable),
        **handles.own,
    }
    return {
        "api": _api(settings, api),
        "worker": _worker(settings, worker, topics, handles.output),
        "migrate": _migrate(settings, package),
        "topics": _topics(settings, topics),
        "keys": _keys(settings, handles),
        "restored": _restored(settings, handles),
        "skip": _skip(settings),
        "purge": _purge(settings, package, handles.ways),
        "reseal": _reseal(settings),
        **{name: _operating(settings, command) for name, command in for_operators.items()},
    }


def main(service: str, commands: Mapping[str, Command], argv: Sequence[str]) -> int:
    """Run the command that `argv` names with the rest of it.

    Returns the process's exit code: 2 when a setting is missing or wrong, which stderr names.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {service}")
    parser.add_argument("command", choices=sorted(commands))
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    arguments = parser.parse_args(argv)
    level = os.environ.get(f"{PREFIX}LOG_LEVEL", "INFO")
    stream = sys.stdout if arguments.command in PROCESSES else sys.stderr
    # The settings refuse other levels.
    logs.configure(service, level if level in LOG_LEVELS else "INFO", stream)
    try:
        return commands[arguments.command](arguments.rest)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _api(settings: type[Settings], build: Callable[[Settings], FastAPI]) -> Command:
    def run(argv: Sequence[str]) -> int:
        _take_no_words("api", "answer HTTP requests until it is stopped", argv)
        chosen = settings.from_environment()
        serve(build(chosen), chosen)
        return 0

    return run


def _worker(
    settings: type[Settings],
    build: Callable[[Settings, Database, Producer], tuple[BatchHandler, Job]],
    topics: Sequence[SharedTopic],
    output: Output,
) -> Command:
    def run(argv: Sequence[str]) -> int:
        _take_no_words("worker", "read the service's topics until it is stopped", argv)
        chosen = settings.from_environment()
        own, options = topics_of(chosen.service, topics), kafka_options(chosen, "topics")
        stop = stop_on_signals()
        database = worker_database(chosen)
        database.vet(OutputLook(database, output, _open_log(chosen)))
        try:
            process = _process(chosen, stop)
            await_look(database, lambda: check_topics(options, own), stop, process.waits_for)
            if stop.is_set():
                return 0
            with closing(KafkaProducer(kafka_options(chosen, "relay"), stop=stop)) as producer:
                handler, job = build(chosen, database, producer)
                return process.run(database, handler, job, lambda: check_topics(options, own))
        except LoopHalted as halt:
            note_halt(database, chosen.service, halt)
            return 3
        finally:
            database.close()

    return run


def _process(settings: ServiceSettings, stop: threading.Event) -> WorkerProcess:
    """The worker's process. Raises `SettingsError` when its port is taken, or not its to take."""
    try:
        return WorkerProcess(settings, stop)
    except OSError as error:
        place = f"{PREFIX}WORKER_PORT={settings.worker_port} on {settings.host}"
        raise SettingsError(f"{settings.service} cannot start: {place}: {error.strerror}") from None


def _migrate(settings: type[Settings], package: str) -> Command:
    def run(argv: Sequence[str]) -> int:
        parser = argparse.ArgumentParser(
            prog="migrate", description="bring the database's tables to this version"
        )
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--list", action="store_true", help="only list what would be run")
        instead.add_argument("--sql", action="store_true", help="only write what would be run")
        wanted = parser.parse_args(argv)
        url = settings.from_environment().database_url.get_secret_value()
        # No other command needs alembic, a quarter of what a process imports.
        from rapport_runtime import migrations  # noqa: PLC0415 - see above

        if wanted.sql:
            sys.stdout.write(migrations.statements(url, package))
            return 0
        for each in migrations.pending(url, package):
            sys.stdout.write(f"{each.revision}  {each.what}\n")
        try:
            if not wanted.list:
                migrations.upgrade(url, package)
        except MigrationBlocked as error:
            sys.stderr.write(f"{error}\n")
            return 1
        return 0

    return run


def _topics(settings: type[Settings], topics: Sequence[SharedTopic]) -> Command:
    def run(argv: Sequence[str]) -> int:
        parser = argparse.ArgumentParser(
            prog="topics", description="make the topics that are missing, check the others"
        )
        parser.add_argument("--replication-factor", type=int, default=1)
        parser.add_argument(
            "--access", action="store_true", help="only write who may use which, as a script"
        )
        arguments = parser.parse_args(argv)
        options = kafka_options(settings.from_environment(), "topics")
        if arguments.access:
            sys.stdout.write(topic_access.script(topics, options.topic_prefix))
            return 0
        try:
            ensure_topics(options, topics, replication_factor=arguments.replication_factor)
        except (TopicsDiffer, TryLater) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        return 0

    return run


def _keys(settings: type[Settings], handles: Handles) -> Command:
    def run(argv: Sequence[str]) -> int:
        def owner_url() -> str:
            return settings.from_environment().database_url.get_secret_value()

        return key_cli.cli(owner_url, handles.scopes, argv, handles.publish_key)

    return run


def _restored(settings: type[Settings], handles: Handles) -> Command:
    def run(argv: Sequence[str]) -> int:
        options = restored_parser().parse_args(argv)
        chosen = settings.from_environment()
        database = worker_database(chosen)
        restoration = Restoration(
            database,
            handles.output,
            _open_log(chosen),
            handles.after_restore,
            is_simulated=chosen.simulated_clock,
        )
        try:
            return restored_command(restoration, options, chosen)
        finally:
            database.close()

    return run


def _skip(settings: type[Settings]) -> Command:
    def run(argv: Sequence[str]) -> int:
        options = skip_parser().parse_args(argv)
        chosen = settings.from_environment()
        letters = DeadLetterTable(chosen.service, chosen.record_keyring)
        database = worker_database(chosen)
        try:
            return skip_command(Skip(database, letters, _open_log(chosen)), options)
        finally:
            database.close()

    return run


def _purge(settings: type[Settings], package: str, ways: Mapping[str, Way]) -> Command:
    def run(argv: Sequence[str]) -> int:
        options = purge_parser().parse_args(argv)
        chosen = settings.from_environment()
        classes = read_classes(package, chosen.retention_path)
        database = purge_database(chosen)
        try:
            return purge_command(Purge(database, classes, ways), stop_on_signals(), options)
        finally:
            database.close()

    return run


def _reseal(settings: type[Settings]) -> Command:
    def run(argv: Sequence[str]) -> int:
        reseal_parser().parse_args(argv)
        chosen = settings.from_environment()
        keyring, database = chosen.record_keyring, worker_database(chosen)
        try:
            done = reseal_letters(database, keyring)
        finally:
            database.close()
        print_lines([str(done)])
        return 1 if done.left else 0

    return run


def _take_no_words(name: str, description: str, argv: Sequence[str]) -> None:
    """For a command without arguments: give help if asked, refuse any other word."""
    argparse.ArgumentParser(prog=name, description=description).parse_args(argv)


def _open_log(settings: ServiceSettings) -> Callable[[], KafkaLogReader]:
    """A reader of topics, made anew for each use."""
    return lambda: KafkaLogReader(kafka_options(settings, "look"))


def _operating(settings: type[Settings], command: OperatorCommand) -> Command:
    """A command of operators, with the worker's database."""

    def run(argv: Sequence[str]) -> int:
        options = command.parser.parse_args(argv)
        chosen = settings.from_environment()
        database = worker_database(chosen)
        try:
            return command.carry_out(database, chosen, options)
        finally:
            database.close()

    return run
