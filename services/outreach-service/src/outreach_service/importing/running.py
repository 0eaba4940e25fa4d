"""What the command `import-contacts` does: it looks, tells, and sends."""

import argparse
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from outreach_service.importing.calls import Api, Stopped, Waiting, http_client
from outreach_service.importing.place import Place
from outreach_service.importing.sending import Apis, Sender, Sent, batches
from rapport_files.options import BadAnswer
from rapport_files.people import PeopleUnderstanding, understand_people
from rapport_files.people_rows import Told
from rapport_files.problems import ErrorFile, Problem, Refusals
from rapport_runtime.ops.operators import Refused, print_lines
from rapport_runtime.ops.progress import Progress
from rapport_runtime.stream.worker import stop_on_signals

CALLERS: Final = 4
"""So many batches are on their way at once: few of the calls that an API answers at once for
all."""
NEEDED: Final = frozenset({"clients:read", "contacts:write", "consents:write"})


class _Errors(NamedTuple):
    """Where refused lines go: those that cannot be read, and those that a service refuses."""

    reading: Callable[[Problem], None]
    services: Refusals


def run(options: argparse.Namespace, place: Place | None) -> list[str]:
    """Look at the file, and tell the APIs where a place is given; the lines that say what became of
    it. Raises `Refused`."""
    if options.errors is not None and options.errors.resolve() == options.file.resolve():
        raise Refused("--errors: another file than the one that is read")
    state = _state_of(options.file)
    with _errors(options.errors) as errors:
        understood = _look(options, errors)
        print_lines(_told(understood))
        if not understood.can_begin:
            raise Refused("nothing was sent: the file is not understood as a whole")
        total = sum(understood.preview.kinds.values())
        if place is None:
            return [f"{total:,} contacts and consents; nothing was sent: --yes sends them"]
        stop = stop_on_signals()
        waiting = Waiting(stop)
        with (
            closing(Api("ingestion", http_client(place.ingestion, place.key), waiting)) as clients,
            closing(Api("outreach", http_client(place.outreach, place.key), waiting)) as outreach,
        ):
            apis = Apis(clients, outreach)
            print_lines([f"practice: {_practice(apis)}"])
            sender = Sender(apis, options.namespace, understood.preview.columns)
            return _Sending(sender, understood, errors, stop).run(options.file, state)


class _Sending:
    """Sends what was understood of a file, a few batches at once."""

    def __init__(
        self,
        sender: Sender,
        understood: PeopleUnderstanding,
        errors: _Errors,
        stop: threading.Event,
    ) -> None:
        self._sender = sender
        self._understood = understood
        self._errors = errors
        self._stop = stop

    def run(self, path: Path, state: tuple[int, int]) -> list[str]:
        """Send all; the lines that say what became of it. Raises `Refused`."""
        total = sum(self._understood.preview.kinds.values())
        progress = Progress(sys.stderr, "contacts and consents", total)
        done, contacts, consents = 0, 0, 0
        with closing(progress), closing(self._sent(self._understood.told())) as all_sent:
            for sent in all_sent:
                done, contacts = done + sent.told, contacts + sent.contacts
                consents += sent.consents
                for problem in sent.refused:
                    self._errors.services.add(problem)
                progress.show(done)
                if _state_of(path) != state:
                    raise Refused("the file was changed meanwhile: give the command again")
        lines = [
            f"saved, or known before: {contacts:,} contacts, {consents:,} consents and withdrawals;"
            f" refused: {self._errors.services.count:,}"
        ]
        if self._stop.is_set():
            lines.append("it was stopped: give it again, and what was told before changes nothing")
        return [*lines, *self._errors.services.by()]

    def _sent(self, told: Iterable[Told]) -> Generator[Sent, None, None]:
        """What became of each batch, in the order of the file; ends early when it is to stop."""
        flying: deque[Future[Sent]] = deque()
        with ThreadPoolExecutor(CALLERS) as pool:
            try:
                for batch in batches(told):
                    if self._stop.is_set():
                        break
                    flying.append(pool.submit(self._sender.send, batch))
                    if len(flying) > CALLERS:
                        yield flying.popleft().result()
                while flying:
                    yield flying.popleft().result()
            except Stopped:
                return
            finally:
                if flying:
                    self._stop.set()  # those that wait for their turn give up


def _look(options: argparse.Namespace, errors: _Errors) -> PeopleUnderstanding:
    """What was understood of the file. Raises `Refused`."""
    try:
        return understand_people(options.file, dict(options.answer), errors.reading)
    except (BadAnswer, ValueError) as error:
        raise Refused(f"--answer {error}") from error
    except OSError as error:
        raise Refused(f"{options.file}: {error.strerror}") from error


def _told(understood: PeopleUnderstanding) -> Iterator[str]:
    yield from understood.preview.by()
    yield from understood.refusals.by()
    for question in understood.questions:
        yield question.by()


def _practice(apis: Apis) -> str:
    """The practice whose key it is, to both services, with all that it must be allowed. Raises
    `Refused`."""
    clients, outreach = apis.ingestion.get("/v1/me"), apis.outreach.get("/v1/me")
    whose = {str(each.get("practice_id") or "") for each in (clients, outreach)}
    if len(whose) != 1 or "" in whose:
        raise Refused("the key must be that of one practice, at both services")
    missing = NEEDED.difference(clients.get("scopes", ()), outreach.get("scopes", ()))
    if missing:
        raise Refused(f"the key may not {', '.join(sorted(missing))}: make one that may")
    return whose.pop()


@contextmanager
def _errors(path: Path | None) -> Iterator[_Errors]:
    """Raises `Refused` where the file cannot be written."""
    if path is None:
        yield _Errors(lambda _: None, Refusals())
        return
    try:
        with ErrorFile(path) as file:
            yield _Errors(file.add, Refusals(file.add))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _state_of(path: Path) -> tuple[int, int]:
    """The file's size, and when it was last written. Raises `Refused`."""
    try:
        found = path.stat()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns
