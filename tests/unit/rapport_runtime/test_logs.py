"""A log line says what was done and where it failed, never who was concerned."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any
from unittest import mock

import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from rapport_runtime import logs
from rapport_runtime.http.fast.request_line import request_answered

CANARIES = {
    "phone": "13912345678",
    "email": "zhang@example.net",
    "openid": "o6_canary",
    "token": "canary-token",
    "authorization": "Bearer rk_0123456789abcdef_canary",
    "address": "1 Canary Road",
    "name": "Zhang Canary",
    "text": "I feel like a canary",
}


@pytest.fixture
def out() -> Iterator[StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream, before = StringIO(), structlog.get_config()
    logs.configure("toy", "DEBUG", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def lines(out: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_of_ours_has_its_action(out: StringIO) -> None:
    before = logs.request_served.set("r1")
    logs.get_logger("toy.module").info("batch_committed", records=3)
    logs.request_served.reset(before)
    (line,) = lines(out)
    assert line["action"] == "batch_committed"
    assert (line["records"], line["service"], line["level"]) == (3, "toy", "info")
    assert (line["logger"], line["request_id"]) == ("toy.module", "r1")
    assert line["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written(out: StringIO) -> None:
    logs.configure("toy", "WARNING", out)
    logs.get_logger("toy").info("told")
    logs.get_logger("toy").error("failed")
    assert [(line["action"], line["level"]) for line in lines(out)] == [("failed", "error")]


def test_a_line_that_cannot_be_written_stops_nobody(
    out: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock.patch.object(out, "write", side_effect=OSError("disk full")):
        logs.get_logger("toy").info("told", client_email=CANARIES["email"])
    reported = capsys.readouterr().err
    assert "disk full" in reported
    assert '"action": "told"' in reported
    assert CANARIES["email"] not in reported


def test_lines_of_many_threads_stay_whole(out: StringIO) -> None:
    log = logs.get_logger("toy")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: log.info("told", number=number), range(200)))
    assert {line["number"] for line in lines(out)} == set(range(200))


def test_personal_keys_are_hidden_at_any_depth(out: StringIO) -> None:
    client = {f"client_{key}": value for key, value in CANARIES.items()}
    logs.get_logger("toy").info("told", **CANARIES, inner=[{"client": client}])
    assert not any(value in out.getvalue() for value in CANARIES.values())
    (line,) = lines(out)
    assert {line[key] for key in CANARIES} == {logs.REDACTED}


@pytest.mark.parametrize(
    "secret",
    [
        "13912345678",
        "+8613912345678",
        "zhang.wei@mail.example.net",
        "rk_0123456789abcdef_AbCd-_09",
        "toy:hunter2",
    ],
)
def test_personal_patterns_are_scrubbed_from_any_text(out: StringIO, secret: str) -> None:
    whole = f"postgresql://{secret}@db/toy" if ":" in secret else f"sent to {secret}, ok"
    logs.get_logger("toy").info("told", reason=whole)
    logging.getLogger("some.library").warning("it said %s", whole)
    assert secret not in out.getvalue()
    assert [line["action"] for line in lines(out)] == ["told", "library"]
    assert lines(out)[1]["message"].startswith("it said ")


def test_plain_numbers_stay_readable(out: StringIO) -> None:
    logs.get_logger("toy").info("told", offset=13912345678, topic="client-activity.v1", ok=True)
    (line,) = lines(out)
    assert (line["offset"], line["topic"], line["ok"]) == (13912345678, "client-activity.v1", True)


def _failing() -> None:
    try:
        raise KeyError(CANARIES["name"])
    except KeyError as cause:
        raise IntegrityError("insert", {"a": CANARIES["phone"]}, ValueError("x")) from cause


def test_an_exception_is_told_by_type_and_place(out: StringIO) -> None:
    for log in (logs.get_logger("toy").exception, logging.getLogger("uvicorn.error").exception):
        try:
            _failing()
        except IntegrityError:
            log("went_wrong")
    for line in lines(out):
        assert line["error"] == "IntegrityError from KeyError"
        assert line["trace"][-1].endswith("_failing")
    assert len(lines(out)) == 2
    assert CANARIES["name"] not in out.getvalue()
    assert CANARIES["phone"] not in out.getvalue()


@pytest.mark.parametrize(
    ("name", "level", "silent"),
    [
        ("kafka.consumer", logging.DEBUG, True),
        ("kafka.net.connection", logging.INFO, True),
        ("kafka.consumer", logging.WARNING, False),
        ("httpx", logging.INFO, True),
        ("httpcore.http11", logging.INFO, True),
        ("uvicorn.access", logging.INFO, True),
        ("sqlalchemy.engine.Engine", logging.INFO, True),
        ("uvicorn.error", logging.INFO, False),
    ],
)
def test_talkative_libraries_are_pinned(
    out: StringIO, name: str, level: int, *, silent: bool
) -> None:
    logging.getLogger(name).log(level, "told")
    assert (out.getvalue() == "") is silent


def test_a_sentence_of_ours_is_not_an_action(out: StringIO) -> None:
    logs.get_logger("toy").info("Sent to zhang@example.net")
    (line,) = lines(out)
    assert line["action"] == "library"
    assert "zhang" not in line["message"]


def answered(**changes: Any) -> None:
    known: dict[str, Any] = {"method": "GET", "route": "/v1/things/{thing_id}", "status": 200}
    request_answered(**known | {"milliseconds": 1.5, "key_id": "k1"} | changes)


def test_a_requests_line_is_like_any_other(out: StringIO) -> None:
    before = logs.request_served.set("r1")
    answered()
    answered(status=None, key_id=None)
    logs.get_logger("toy").info("told")
    logs.request_served.reset(before)
    first, second, other = lines(out)
    assert first.keys() - other.keys() == {"method", "route", "status", "milliseconds", "key_id"}
    assert (first["action"], first["service"], first["level"]) == (
        "request_answered",
        "toy",
        "info",
    )
    assert (first["status"], first["milliseconds"], first["key_id"]) == (200, 1.5, "k1")
    assert (first["route"], first["request_id"]) == ("/v1/things/{thing_id}", "r1")
    assert first["timestamp"].endswith("Z")
    assert (second["status"], second["key_id"]) == (None, None)


def test_a_requests_line_obeys_the_level_and_hides_what_is_personal(out: StringIO) -> None:
    before = logs.request_served.set("call-13912345678")
    answered()
    logs.configure("toy", "WARNING", out)
    answered()
    logs.request_served.reset(before)
    (line,) = lines(out)
    assert line["request_id"] == f"call-{logs.REDACTED}"


def test_before_it_is_configured_a_process_writes_warnings_alone() -> None:
    script = """
from rapport_runtime import logs
logs.get_logger("toy").info("told")
logs.get_logger("toy").warning("warned")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert "warned" in ran.stderr
    assert "told" not in ran.stderr


def test_of_a_librarys_extra_fields_numbers_are_kept_and_texts_are_not(out: StringIO) -> None:
    extra = {"attempt": 2, "last": True, "peer": CANARIES["name"], "held": {CANARIES["email"]: 1}}
    logging.getLogger("some.library").warning("it waits", extra=extra)
    (line,) = lines(out)
    assert (line["action"], line["message"]) == ("library", "it waits")
    assert (line["attempt"], line["last"]) == (2, True)
    assert "peer" not in line
    assert "held" not in line


def test_a_librarys_extra_fields_never_hide_ours(out: StringIO) -> None:
    extra = dict.fromkeys(("action", "service", "level", "logger", "timestamp"), 7)
    try:
        raise KeyError(CANARIES["name"])
    except KeyError:
        logging.getLogger("some.library").exception("it failed", extra={**extra, "error": 7})
    assert 7 not in lines(out)[0].values()


def test_keys_of_a_field_are_scrubbed_too(out: StringIO) -> None:
    logs.get_logger("toy").info("counted", seen={CANARIES["email"]: 1})
    assert lines(out)[0]["seen"] == {logs.REDACTED: 1}


def test_before_configure_a_traceback_shows_no_values() -> None:
    script = (
        "from rapport_runtime import logs\n"
        "def fail(password):\n"
        "    raise ValueError\n"
        "try:\n"
        "    fail('hunter2')\n"
        "except ValueError:\n"
        "    logs.get_logger('toy').warning('failed', exc_info=True)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "ValueError" in ran.stderr
    assert "password = " not in ran.stderr


def test_an_exception_in_a_field_is_named_without_its_message(out: StringIO) -> None:
    refused = ValueError(CANARIES["text"])
    logs.get_logger("toy").info("told", cause=refused)
    (line,) = lines(out)
    assert line["cause"] == "ValueError"
