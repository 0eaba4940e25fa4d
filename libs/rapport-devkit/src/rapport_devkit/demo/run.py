"""The demo: start everything, replay, count, print, stay, stop everything."""

import fcntl
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape

from rapport_contracts.source import SourceEvent
from rapport_devkit.access import Access, open_access
from rapport_devkit.clock import SimulatedClock
from rapport_devkit.databases import SERVICES, drop_database
from rapport_devkit.demo.figures import Sent, gather
from rapport_devkit.demo.live import LiveView
from rapport_devkit.demo.next_steps import print_left, print_next_steps
from rapport_devkit.demo.story import find_story, print_story
from rapport_devkit.demo.tables import print_figures, print_file, print_rulebook, print_verdict
from rapport_devkit.fault_injection import FaultInjector
from rapport_devkit.postgres import Postgres
from rapport_devkit.registration import register
from rapport_devkit.replay import Progress, Records, Replay, plain
from rapport_devkit.sources.dataset import Dataset
from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from rapport_devkit.till import Numbers, told_by_till
from rapport_devkit.words import ENGLISH, Words
from rapport_files.events import Origin
from rapport_runtime.bus.port import Outgoing

PRACTICE_NAME = "静港"
"""Neutral: an SMS begins with it, and anyone can read it on a lock screen (L15)."""
DATABASE_PREFIX = "demo_"
_READY_SECONDS = 300.0
"""A newcomer's machine may be slow, or busy with something else."""
_RULEBOOKS: Mapping[str, str] = MappingProxyType({"CNY": "rulebook.cny.json"})
"""Cut-offs in money hold for one currency; those of `rulebook.json` are for the sample's dollars of
1997."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """`folder` is deleted at the start. With `stays` the demo runs until Ctrl-C, else it ends.

    A file of the owner's own is sent as it is, the sample with faults as real sources have them.
    `rulebook` None: one that was chosen for the data's currency.
    """

    folder: Path
    origin: Origin
    services: tuple[str, ...]
    stays: bool
    is_own_file: bool = False
    rulebook: Path | None = None
    words: Words = ENGLISH


class AlreadyRunning(RuntimeError):
    """Another demo uses the same folder."""


def run_demo(options: DemoOptions, dataset: Dataset, console: Console) -> int:
    """The whole demo; 0, or 1 when anything was lost.

    Raises AlreadyRunning, ProcessFailed when a process does not become ready, BarrierTimeout when
    one does not reach the simulated time, ApiProblem, ContactRefused.
    """
    began, words = time.monotonic(), options.words
    with _alone(options.folder), _demo_files(options, dataset) as (playbook, rulebook):
        _wipe(options.folder)
        stack_options = StackOptions(
            folder=options.folder,
            services=options.services,
            durable=False,
            topic_prefix=_topic_prefix(),
            database_prefix=DATABASE_PREFIX,
            playbook=playbook,
            rulebook=rulebook,
            ready_seconds=_READY_SECONDS,
        )

        def say(what: str, **values: object) -> None:
            console.print(
                f"[dim]{time.monotonic() - began:6.1f} s[/] {escape(words(what, **values))}",
                highlight=False,
            )

        print_file(console, dataset, words)
        with Stack(stack_options, say=say) as stack:
            access = open_access(stack, options.origin.practice_id)
            numbers = Numbers(options.origin, dataset)
            client_ids = register(
                access, options.origin, dataset, numbers, name=PRACTICE_NAME, say=say
            )
            print_rulebook(console, rulebook, dataset.currency, words)
            say("replaying {title}: {events:,} events", title=dataset.title, events=dataset.events)
            sent = _replay(stack, access, options, dataset, numbers, console)
            say("replayed in {seconds:.0f} s", seconds=sent.seconds)
            figures = gather(stack, access, sent)
            say(
                "{late:,} clients paid before their number at the till was known: {waited:,}"
                " payments waited for it, and there are {clients:,} clients in all",
                late=numbers.late,
                waited=numbers.waited,
                clients=figures.clients,
            )
            print_figures(console, figures, words)
            story = find_story(access, client_ids, figures.changes)
            print_story(console, story, words)
            if options.stays:
                print_next_steps(console, stack, access, options.origin, story, words)
            losses = figures.losses()
            print_verdict(console, losses, figures.taken_back, words)
            print_left(console, options.folder, words)
            if options.stays:
                _stay(console, words)
            else:
                say("everything stops now; without --exit it stays up, to look around")
    return 1 if losses else 0


def _replay(
    stack: Stack,
    access: Access,
    options: DemoOptions,
    dataset: Dataset,
    numbers: Numbers,
    console: Console,
) -> Sent:
    """Send everything, day by day, payments from the till; the sample with faults."""
    injector = FaultInjector()
    producer = stack.producer()
    replay = Replay(
        clock=SimulatedClock(access.operator),
        producer=producer,
        zone=options.origin.zone,
        records=from_two_systems(plain if options.is_own_file else injector.records),
        at_noon=partial(numbers.attach, access.practice["ingestion"]),
    )
    days = (dataset.last_on - dataset.first_on).days + 1
    try:
        with LiveView(console, access, days, options.words) as view:
            done: Progress = replay.run(dataset, view)
    finally:
        producer.close()
    return Sent(
        records=done.sent,
        duplicates=injector.duplicates,
        junk=injector.junk,
        clients=len(dataset.clients()),
        seconds=done.seconds,
    )


def from_two_systems(records: Records) -> Records:
    """The same records, but those of payments come from the till."""

    def of(events: Sequence[SourceEvent]) -> list[Outgoing]:
        return records([told_by_till(event) for event in events])

    return of


def _stay(console: Console, words: Words) -> None:
    """Wait for Ctrl-C, or for SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console.print(words("Everything stays up until Ctrl-C."), style="bold")
    stop.wait()
    console.print(words("stopping"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock file, which lies beside it. Raises AlreadyRunning."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another demo runs in {folder}") from None
        yield


@contextmanager
def _demo_files(options: DemoOptions, dataset: Dataset) -> Iterator[tuple[Path, Path]]:
    """The demo's playbook and the rulebook as files."""
    data = files("rapport_devkit") / "data"
    chosen = data / _RULEBOOKS.get(dataset.currency, "rulebook.json")
    with as_file(data / "playbook.json") as playbook, as_file(chosen) as rulebook:
        yield playbook, options.rulebook or rulebook


def _wipe(folder: Path) -> None:
    """Delete everything of an earlier run, also its databases on an existing server."""
    Postgres("", folder / "postgres").destroy()
    shutil.rmtree(folder, ignore_errors=True)
    existing = os.environ.get("DATABASE_URL")
    if existing:
        for service in SERVICES:
            drop_database(existing, service, prefix=DATABASE_PREFIX)


def _topic_prefix() -> str:
    """None on a broker of our own; on an existing cluster one that no earlier run has used."""
    own = "KAFKA_BOOTSTRAP_SERVERS" not in os.environ
    return "" if own else f"demo-{secrets.token_hex(4)}-"
