"""Log lines in JSON that name what was done, without personal data (S7).

`log.info("batch_committed", records=12)` writes one line: the event is a word in snake case and
becomes the key `action`, the fields stand beside it. Lines of libraries have `action="library"`,
their `message`, and the fields that they gave as `extra`. Of an exception a line holds type and
place only: messages of the database and of pydantic quote the values that they refused.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import structlog
from structlog.types import EventDict

REDACTED = "[redacted]"
PERSONAL = frozenset(
    {"phone", "email", "openid", "token", "authorization", "address", "name", "text"}
)
"""A field is hidden whose name is one of these, or ends with `_` and one of these."""
PINNED = {
    "kafka": logging.WARNING,  # its connections at INFO; record bodies and its password at DEBUG
    "httpx": logging.WARNING,  # prints whole addresses, tokens in the query included
    "httpcore": logging.WARNING,
    "uvicorn.access": logging.WARNING,  # prints the path as sent; ours has the template
    "sqlalchemy.engine": logging.WARNING,  # prints parameters
}
"""The lowest level of libraries that print personal data, secrets or much of no use below it."""
_RECORD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
_ACTION = re.compile(r"[a-z][a-z0-9_]*")
_SCRUB = re.compile(
    r"rk_[0-9a-f]+_[A-Za-z0-9_-]+"  # our API keys
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail addresses
    r"|(?<![\w.])(?:\+\d{8,15}|1[3-9]\d{9})(?!\w)"  # phones: E.164, mainland China
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
)
_MAY_HOLD = re.compile(r"@|\d{8}|rk_")
"""Each pattern needs one of these; to look for them costs a quarter of looking for all patterns."""
_JSON = json.JSONEncoder(ensure_ascii=False)  # once: `json.dumps` would make one for each line
_TRACE_FRAMES = 12
request_served: ContextVar[str | None] = ContextVar("request_served", default=None)
"""The id of the request that is being answered; each line written meanwhile has it."""


@dataclass(frozen=True)
class Output:
    """Where `configure` sends the lines of this process, and the lowest level that it writes."""

    service: str
    level: int
    write: Callable[[str], None]


class _Configured:
    output: Output | None = None


def _warnings_only() -> None:
    """Before `configure`, as `logging` does it: only warnings are written, to stderr.

    So a tool that uses modules of ours decides itself what it prints.
    """
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.processors.add_log_level, renderer],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """Write every log line of this process, ours and the libraries', to `stream`; None: stdout."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_LibraryFormatter(service))
    structlog.configure(
        processors=[_OwnLine(service)],
        logger_factory=lambda name=None: _LineWriter(handler, name),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )
    lowest = logging.getLevelName(level)
    _Configured.output = Output(service, lowest, _LineWriter(handler, None).info)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in PINNED.items():
        logging.getLogger(name).setLevel(max(floor, lowest))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module; the event of every call is an action in snake case."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def output() -> Output | None:
    """Where `configure` sends lines, for the one caller that makes its own; None before that."""
    return _Configured.output


def describe(error: BaseException) -> str:
    """Name an exception without its message: its type, its SQLSTATE, and its cause's type."""
    original = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None)
    named = type(error).__qualname__ if not state else f"{type(error).__qualname__}({state})"
    if error.__cause__ is not None and error.__cause__ is not original:
        return f"{named} from {type(error.__cause__).__qualname__}"
    return named


class _LineWriter:
    """Writes our lines to the handler's stream, under the handler's lock.

    Not through `logging`: its records were four tenths of a line's cost, and every request writes
    a line (ADR 23). A line that cannot be written is reported as `logging` reports it.
    """

    def __init__(self, handler: logging.StreamHandler[TextIO], name: str | None) -> None:
        self._handler = handler
        self.name = name

    def info(self, line: str) -> None:
        """Write the line, whatever its level: that is in it, and has been compared before."""
        handler = self._handler
        with handler.lock:  # type: ignore[union-attr]  # None in threadless Pythons of the past
            try:
                handler.stream.write(line + "\n")
                handler.flush()
            except Exception:  # noqa: BLE001 - a full disk stops nobody's work
                handler.handleError(logging.makeLogRecord({"msg": line}))

    debug = warning = error = critical = info


class _OwnLine:
    """Makes the line of a call of ours: one processor instead of a chain of eight (ADR 23)."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: _LineWriter, level: str, event: EventDict) -> str:
        action = str(event.pop("event", ""))
        if "exc_info" in event:
            event.update(_error_fields(event.pop("exc_info")))
        first: dict[str, object] = {"action": action}
        if not _ACTION.fullmatch(action):
            first = _library_fields(action)
        return _line(self._service, first, event, level, logger.name)


class _LibraryFormatter(logging.Formatter):
    """Makes the line of a library's record, with the extra fields that it gave."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        fields = {**_extra_fields(record), **_error_fields(record.exc_info)}
        first = _library_fields(record.getMessage())
        return _line(self._service, first, fields, record.levelname.lower(), record.name)


def _library_fields(message: str) -> dict[str, object]:
    return {"action": "library", "message": scrubbed(message)}


def _extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """The numbers and truth values that the caller gave as `extra=`, which `logging` keeps among
    the record's own attributes. Texts are left out: they may hold a name, which no pattern finds.
    """
    return {
        key: value
        for key, value in record.__dict__.items()
        if key not in _RECORD_ATTRIBUTES and key not in {"action", "service"}
        if isinstance(value, bool | int | float)
    }


def _line(
    service: str,
    first: Mapping[str, object],
    fields: Mapping[str, object],
    level: str,
    logger: str | None,
) -> str:
    """Values under personal keys are hidden at any depth, personal patterns in any string."""
    line = {**first, "service": service}
    for key, value in fields.items():
        line[key] = _clean(key, value)
    request_id = request_served.get()
    if request_id is not None:
        line["request_id"] = scrubbed(request_id)
    line["level"], line["logger"] = level, logger
    line["timestamp"] = timestamp()
    return _JSON.encode(line)


def _error_fields(info: object) -> dict[str, object]:
    """An exception's type, its SQLSTATE if any, and where it came from; of None nothing."""
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-_TRACE_FRAMES:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": describe(error), "trace": places}


@lru_cache(maxsize=1_024)
def _is_personal(key: str) -> bool:
    lowered = key.lower()
    return lowered in PERSONAL or lowered.rpartition("_")[2] in PERSONAL


def _clean(key: str, value: object) -> object:
    if _is_personal(key):
        return REDACTED
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {scrubbed(str(inner)): _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return describe(value)
    return scrubbed(str(value))


def scrubbed(text: str) -> str:
    """The text with API keys, e-mail addresses, phone numbers and passwords in URLs replaced."""
    return _SCRUB.sub(REDACTED, text) if _MAY_HOLD.search(text) else text


def timestamp() -> str:
    """The system's time in UTC, as RFC 3339 with a `Z`."""
    now = datetime.now(UTC)  # noqa: TID251 - a line has the system's time, whatever the clock
    return now.isoformat().removesuffix("+00:00") + "Z"


_warnings_only()
