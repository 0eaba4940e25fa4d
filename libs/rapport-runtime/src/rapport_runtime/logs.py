"""Logging as JSON lines that say what was done, without personal data.

A line of ours is `log.info("batch_committed", records=12)`: the event is a word in snake case
and becomes the key `action`. Lines of libraries become `action="library"` with a scrubbed
`message`. Exceptions are told by type and place only: messages of the database and of pydantic
quote the values that they choked on (RELIABILITY S7).
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import structlog
from structlog.types import EventDict

REDACTED = "[redacted]"
PERSONAL = frozenset(
    {"phone", "email", "openid", "token", "authorization", "address", "name", "text"}
)
PINNED = {
    "kafka": logging.INFO,  # at DEBUG it prints record bodies, and its password
    "httpx": logging.WARNING,  # prints whole addresses, tokens in the query included
    "httpcore": logging.WARNING,
    "uvicorn.access": logging.WARNING,  # prints the path as sent; ours has the template
    "sqlalchemy.engine": logging.WARNING,  # prints parameters
}
_ACTION = re.compile(r"[a-z][a-z0-9_]*")
_SCRUB = re.compile(
    r"rk_[0-9a-f]+_[A-Za-z0-9_-]+"  # our API keys
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail addresses
    r"|(?<![\w.])(?:\+\d{8,15}|1[3-9]\d{9})(?!\w)"  # phones: E.164, mainland China
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
)
_MAY_HOLD = re.compile(r"@|\d{8}|rk_")  # one of which each has: a look at a quarter of the cost
_JSON = json.JSONEncoder(ensure_ascii=False)  # once: `json.dumps` would make one for each line
_REQUEST = (
    '{"action": "request_answered", "service": "%s", "method": "%s", "route": "%s", "status": %s,'
    ' "milliseconds": %s, "key_id": %s, "request_id": "%s", "level": "info",'
    f' "logger": "{__name__}", "timestamp": "%s"}}'
)
request_served: ContextVar[str | None] = ContextVar("request_served", default=None)
"""The id of the request that is being answered, which every line then has."""


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process, ours and the libraries', to `stream` (stdout)."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_OfLibraries(service))
    structlog.configure(
        processors=[_Ours(service)],
        logger_factory=lambda name=None: _Lines(handler, name),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )
    told = logging.getLevelName(level) <= logging.INFO
    _Requests.service, _Requests.write = service, _Lines(handler, None).info if told else None
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in PINNED.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelName(level)))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module; every call's event is an action in snake case."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def request_answered(
    *, method: str, route: str, status: int | None, milliseconds: float, key_id: str | None
) -> None:
    """The line that every request writes, made by hand: structlog's took a fifth of a short
    request (ADR 23). All in it are our own words, whose JSON is plain, but the request's id."""
    if _Requests.write is None:
        return
    said = "null" if status is None else status
    key = "null" if key_id is None else f'"{key_id}"'
    request_id = _scrubbed(request_served.get() or "")
    values = (_Requests.service, method, route, said, milliseconds, key, request_id, _now())
    _Requests.write(_REQUEST % values)


def describe(error: BaseException) -> str:
    """Name an exception without its message: its type, its SQLSTATE, and its cause's type."""
    original = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None)
    named = type(error).__qualname__ if not state else f"{type(error).__qualname__}({state})"
    if error.__cause__ is not None and error.__cause__ is not original:
        return f"{named} from {type(error.__cause__).__qualname__}"
    return named


class _Lines:
    """Where our lines go: to the handler's stream, with the handler's lock.

    Not through `logging`: its records were four tenths of a line's cost, and every request writes
    one (ADR 23). What cannot be written is told as `logging` tells it.
    """

    def __init__(self, handler: logging.StreamHandler[TextIO], name: str | None) -> None:
        self._handler = handler
        self.name = name

    def info(self, line: str) -> None:
        """Write it; the level is in it, and has been asked before."""
        handler = self._handler
        with handler.lock:  # type: ignore[union-attr]  # None in threadless Pythons of the past
            try:
                handler.stream.write(line + "\n")
                handler.flush()
            except Exception:  # noqa: BLE001 - a full disk stops nobody's work
                handler.handleError(logging.makeLogRecord({"msg": line}))

    debug = warning = error = critical = info


class _Requests:
    """Where `configure` sends the lines of requests; nowhere, if they are below the level."""

    service = ""
    write: Callable[[str], None] | None = None


class _Ours:
    """Makes the line of a call; one processor instead of a chain of eight (ADR 23)."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: _Lines, level: str, event: EventDict) -> str:
        said = str(event.pop("event", ""))
        if "exc_info" in event:
            event.update(_by_place(event.pop("exc_info")))
        known: dict[str, object] = {"action": said}
        if not _ACTION.fullmatch(said):
            known = _unknown(said)
        return _line(self._service, known, event, level, logger.name)


class _OfLibraries(logging.Formatter):
    """Makes the line of a record of `logging`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        known, level = _unknown(record.getMessage()), record.levelname.lower()
        return _line(self._service, known, _by_place(record.exc_info), level, record.name)


def _unknown(said: str) -> dict[str, object]:
    return {"action": "library", "message": _clean("", said)}


def _line(
    service: str, known: dict[str, object], more: EventDict, level: str, logger: str | None
) -> str:
    """Values under personal keys are hidden at any depth, personal patterns in any string."""
    line = {**known, "service": service}
    for key, value in more.items():
        line[key] = _clean(key, value)
    request_id = request_served.get()
    if request_id is not None:
        line["request_id"] = _clean("", request_id)
    line["level"], line["logger"] = level, logger
    line["timestamp"] = _now()
    return _JSON.encode(line)


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 - a line tells when it was written, whatever the clock
    return now.isoformat().removesuffix("+00:00") + "Z"


def _by_place(info: object) -> dict[str, object]:
    """An exception's type, its SQLSTATE if any, and where it came from; of None nothing."""
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return {}
    trace = traceback.extract_tb(error.__traceback__)[-12:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in trace]
    return {"error": describe(error), "trace": places}


@lru_cache(maxsize=1_024)
def _is_personal(key: str) -> bool:
    lowered = key.lower()
    return lowered in PERSONAL or lowered.rpartition("_")[2] in PERSONAL


def _clean(key: str, value: object) -> object:
    if _is_personal(key):
        return REDACTED
    if isinstance(value, str):
        return _scrubbed(value)
    if isinstance(value, dict):
        return {str(inner): _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _scrubbed(str(value))


def _scrubbed(text: str) -> str:
    return _SCRUB.sub(REDACTED, text) if _MAY_HOLD.search(text) else text
