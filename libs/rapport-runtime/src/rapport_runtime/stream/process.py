"""A worker process from its parts: consumer, loop, probes and side thread, until it is stopped."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapport_runtime import gc_tuning
from rapport_runtime.bus.kafka import KafkaConsumer
from rapport_runtime.connections import kafka_options
from rapport_runtime.database import Database
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.http.probes import Check, ReadyStatus, serve_probes
from rapport_runtime.logs import get_logger
from rapport_runtime.settings import ServiceSettings
from rapport_runtime.stream.batch import BatchHandler
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.watermarks import Now, ReadToEnd
from rapport_runtime.stream.worker import Worker

log = get_logger(__name__)

CONNECT_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """The consumer group and the topics of a service's worker, and its optional parts.

    A service whose topics carry no watermarks gives `now`, its clock: the worker uses it to store
    the time up to which it has read each partition. `clock_jumps` is true when an operator can set
    that clock. `side_task` runs on its own thread until the event is set; if it fails, the process
    ends with exit code 1.
    """

    group: str
    topics: Sequence[str]
    now: Now | None = None
    clock_jumps: bool = False
    side_task: Callable[[threading.Event], None] | None = None


class WorkerProcess:
    """A worker's process. Its probes answer from its start: while it waits for the broker or the
    database it is alive, and not ready."""

    def __init__(self, settings: ServiceSettings, stop: threading.Event) -> None:
        """Serve the probes until `stop` is set; raises OSError when the port is taken, and
        SettingsError without keys for what is put aside."""
        self._settings = settings
        self._keyring = settings.record_keyring
        self._stop = stop
        self._waits_for = ""
        self._ready: Check = self._not_looked_yet
        self._status: ReadyStatus = lambda: "ready"
        self._probes = serve_probes(
            settings.worker_port,
            {"progress": lambda: self._ready()},
            stop,
            settings.host,
            lambda: self._status(),
        )
        self.port = self._probes.port

    def waits_for(self, server: str) -> None:
        """Tell the probe for what the start waits: broker or database."""
        self._waits_for = server

    def _not_looked_yet(self) -> str:
        reason = "the ends of the own topics were not looked at yet"
        return f"{reason}: waits for the {self._waits_for}" if self._waits_for else reason

    def run(
        self,
        database: Database,
        handler: BatchHandler,
        job: Job,
        before_reading: Callable[[], None],
    ) -> int:
        """Run one worker of the job's group until `stop` is set; return the process's exit code.

        `before_reading` is as in `Worker.run`.
        """
        settings, stop = self._settings, self._stop
        consumer = self._member(job)
        if consumer is None:
            self._probes.join()
            return 0
        limit = DeadLetterLimit(
            settings.dead_letter_max_ratio,
            settings.dead_letter_min_sample,
            settings.dead_letter_max_consecutive,
        )
        options = LoopOptions(
            group=job.group,
            keyring=self._keyring,
            max_records=settings.max_poll_records,
        )
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
        self._status = lambda: loop.summary
        self._ready = worker.heartbeat.ready
        side_thread = SideThread(job.side_task, stop) if job.side_task else None
        gc_tuning.tune_gc()
        try:
            code = worker.run(stop, before_reading)
        finally:
            stop.set()  # else the side thread would keep the process of a dead worker alive
        if side_thread is not None:
            code = code or side_thread.join()
        self._probes.join()
        return code

    def _member(self, job: Job) -> KafkaConsumer | None:
        """A member of the job's group; None when the process was stopped while it waited for the
        brokers."""
        while not self._stop.is_set():
            try:
                return KafkaConsumer(kafka_options(self._settings, "worker"), job.group, job.topics)
            except TryLater as error:
                log.warning("worker_error", error=str(error))
                self._stop.wait(CONNECT_PAUSE_SECONDS)
        return None


class SideThread:
    """A second task of the same worker, on a thread; when it fails, the worker stops too."""

    def __init__(self, body: Callable[[threading.Event], None], stop: threading.Event) -> None:
        self._body = body
        self._stop = stop
        self._code = 0
        self._thread = threading.Thread(target=self._run, name="side_thread")
        self._thread.start()

    def join(self) -> int:
        """Wait until the task has ended; return 1 if it failed, 3 if a person has to look, else
        0."""
        self._thread.join()
        return self._code

    def _run(self) -> None:
        try:
            self._body(self._stop)
        except LoopHalted as halt:
            self._code = 3
            log.critical("side_thread_halted", error=str(halt))
            self._stop.set()
        except BaseException:  # whatever it was, the worker must end with it
            self._code = 1
            log.exception("side_thread_failed")
            self._stop.set()
