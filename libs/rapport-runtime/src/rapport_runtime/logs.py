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
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
PERSONAL = frozenset(
    {"phone", "email", "openid", "token", "authorization", "address", "name", "text"}
)
PINNED = {
    "kafka": logging.INFO,  # at DEBUG it prints record bodies
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
_JSON = json.JSONEncoder(ensure_ascii=False)  # once: `json.dumps` would make one for each line
_OWN_KEYS = frozenset({"action", "event", "level", "logger", "timestamp", "service"})


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process, ours and the libraries', to `stream` (stdout)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exceptions_by_place,
    ]
    rendering: list[Processor] = [
        redact,
        structlog.processors.JSONRenderer(lambda event, **_: _JSON.encode(event)),
    ]
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _Named(service, ours=False),
                *rendering,
            ],
        )
    )
    structlog.configure(
        processors=[*shared, _Named(service, ours=True), *rendering],
        logger_factory=lambda name=None: _Lines(handler, name),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in PINNED.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelName(level)))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module; every call's event is an action in snake case."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide values under personal keys at any depth, and personal patterns inside any string."""
    return {key: value if key in _OWN_KEYS else _clean(key, value) for key, value in event.items()}


def exceptions_by_place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's type, its SQLSTATE if any, and where it came from."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = describe(error)
        event["trace"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-12:]
        ]
    return event


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
        self.name = name  # for `add_logger_name`

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


class _Named:
    """Gives each line its service and its action; a library's text goes to `message`."""

    def __init__(self, service: str, *, ours: bool) -> None:
        self._service = service
        self._ours = ours

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        said = str(event.pop("event", ""))
        if self._ours and _ACTION.fullmatch(said):
            return {"action": said, "service": self._service, **event}
        return {"action": "library", "message": said, "service": self._service, **event}


def _clean(key: str, value: object) -> object:
    lowered = key.lower()
    if lowered in PERSONAL or lowered.rpartition("_")[2] in PERSONAL:
        return REDACTED
    if isinstance(value, str):
        return _SCRUB.sub(REDACTED, value)
    if isinstance(value, dict):
        return {str(inner): _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _SCRUB.sub(REDACTED, str(value))
