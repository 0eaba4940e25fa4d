"""The command `import-contacts`: it looks, asks, sends, waits as it is told, and goes on."""

import logging
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from outreach_service.importing import calls, command, running, sending
from tests.unit.outreach_service.contact_services import HEADER, KEY, SCOPES, Given, Services, row


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    made = Services()
    monkeypatch.setattr(running, "http_client", made.client)
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    monkeypatch.setattr(sending.batches, "__defaults__", (10,))
    return made


@pytest.fixture
def given(services: Services, tmp_path: Path) -> Given:
    return Given(tmp_path, services)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long nobody was to call; nobody waits."""
    found: list[float] = []
    monkeypatch.setattr(calls.Waiting, "at_least", lambda _self, seconds: found.append(seconds))
    return found


def test_without_yes_it_tells_what_it_understood_and_calls_nobody(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(HEADER + row(1) + row(2), takes=False) == 0
    told = capsys.readouterr().out
    assert "contact.sms: 2" in told
    assert "consent.care.given: 2" in told
    assert told.endswith("4 contacts and consents; nothing was sent: --yes sends them\n")
    assert services.calls == []


def test_an_open_question_lets_nothing_out(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HEADER + row(1) + row(2, consent="no")
    assert given(text) == 2
    assert "no=withdrawn" in capsys.readouterr().out
    assert services.calls == []
    assert given(text, "--answer", "no=withdrawn") == 0
    assert sorted(each["granted"] for each in services.consents.values()) == [False, True]


def test_a_file_is_sent_and_a_second_time_changes_nothing(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HEADER + "".join(map(row, range(57)))
    assert given(text) == 0
    before = (dict(services.contacts), dict(services.consents))
    assert (len(services.contacts), len(services.consents)) == (57, 57)
    assert given(text) == 0
    assert (services.contacts, services.consents) == before
    told = capsys.readouterr().out
    assert "practice: harbour" in told
    assert told.count("57 contacts, 57 consents and withdrawals; refused: 0") == 2


@pytest.mark.parametrize("place", [3, 7, 12])
def test_killed_in_the_middle_and_given_again_all_is_there_once(
    given: Given, services: Services, place: int
) -> None:
    text = HEADER + "".join(map(row, range(57)))

    def kill() -> None:
        if len(services.calls) >= place:
            raise KeyboardInterrupt

    services.before = kill
    with pytest.raises(KeyboardInterrupt):
        given(text)
    assert len(services.consents) < 57
    services.before = lambda: None
    assert given(text) == 0
    assert (len(services.contacts), len(services.consents)) == (57, 57)


def test_told_to_stop_it_ends_and_says_so(
    given: Given,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(running, "stop_on_signals", lambda: stop)
    services.before = stop.set
    assert given(HEADER + "".join(map(row, range(200)))) == 0
    assert "it was stopped" in capsys.readouterr().out
    assert len(services.consents) < 200


def test_what_services_refuse_is_told_by_line_with_the_way_out(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(1), row(2_000), row(3, address="secret-bad"), row(4)]
    assert given(HEADER + "".join(rows)) == 0
    assert given.errors == [
        "3,client_id,is no client of this practice in the namespace,\"send the client's first"
        ' event, or PUT /v1/clients, and give the file again"',
        '4,address,is no phone number,"correct the address, or empty the cell"',
    ]
    told = capsys.readouterr().out
    assert "3 contacts" not in told
    assert "2 contacts, 3 consents and withdrawals; refused: 2" in told
    assert "secret" not in told + "".join(given.errors)


def test_a_statement_that_was_told_otherwise_is_refused(given: Given, services: Services) -> None:
    header = HEADER.replace("valid_from", "statement_id")
    text = header + row(1, valid_from="form-1")
    assert given(text, "--answer", "since=unknown") == 0
    assert given(text.replace("given", "withdrawn"), "--answer", "since=unknown") == 0
    (line,) = given.errors
    assert line.startswith("2,statement_id,differs,what has changed is a new statement")
    assert services.consents["form-1"]["granted"] is True


def test_it_waits_as_long_as_it_is_told_and_no_call_is_lost(
    given: Given, services: Services, waits: list[float]
) -> None:
    services.first = [
        httpx.Response(429, headers={"retry-after": "7"}),
        httpx.Response(503, headers={"retry-after": "30"}),
        httpx.ConnectError("secret"),
        httpx.Response(504),
    ]
    assert given(HEADER + row(1)) == 0
    assert waits == [7, 30, 4.0, 8.0]
    assert (len(services.contacts), len(services.consents)) == (1, 1)


def test_a_service_that_never_answers_ends_the_command(
    given: Given, services: Services, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    services.first = [httpx.Response(503) for _ in range(100)]
    assert given(HEADER + row(1)) == 2
    assert "give the command again later" in capsys.readouterr().err
    assert len(waits) == calls.MOST_TRIES


def test_all_wait_while_one_was_told_to() -> None:
    now = [0.0]
    slept: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            slept.append(timeout or 0)
            now[0] += timeout or 0
            return False

    waiting = calls.Waiting(Stop(), lambda: now[0])
    waiting.at_least(5)
    waiting.at_least(3)
    waiting.out()
    waiting.out()
    assert slept == [5]
    waiting.at_least(1e9)
    waiting.out()
    assert slept == [5, calls.LONGEST_WAIT]


def test_few_calls_are_on_their_way_at_once_and_few_batches_are_read_ahead(
    given: Given, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Semaphore(0)
    read: list[int] = []
    real = sending.batches

    def counted(told: Any) -> Any:
        for batch in real(told):
            read.append(len(batch))
            yield batch

    monkeypatch.setattr(running, "batches", counted)
    taken = threading.Event()

    def hold() -> None:
        if services.at_once == running.CALLERS:
            taken.set()
        held.acquire()

    services.before = hold
    thread = threading.Thread(target=given, args=(HEADER + "".join(map(row, range(500))),))
    thread.start()
    assert taken.wait(60)
    assert len(read) <= running.CALLERS + 1
    for _ in range(10_000):
        held.release()
    thread.join(120)
    assert (services.most_at_once, len(services.consents)) == (running.CALLERS, 500)


def test_a_body_that_is_too_large_is_sent_in_halves(given: Given, services: Services) -> None:
    real = services.answer

    def small(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("consents") and len(request.content) > 600:
            return httpx.Response(413)
        return real(request)

    services.answer = small  # type: ignore[method-assign]
    long = row(3, evidence="x" * 500)
    assert given(HEADER + row(1) + row(2) + long) == 0
    assert len(services.consents) == 2
    assert [line.split(",")[0] for line in given.errors] == ["4"]


@pytest.mark.parametrize(
    ("me", "why"),
    [
        ({"practice_id": None, "scopes": SCOPES}, "that of one practice"),
        ({"practice_id": "harbour", "scopes": SCOPES[:2]}, "may not consents:write"),
    ],
)
def test_a_key_that_may_not_is_refused_first(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str], me: Any, why: str
) -> None:
    services.me = me
    assert given(HEADER + row(1)) == 2
    assert why in capsys.readouterr().err
    assert services.calls == ["me", "me"]


@pytest.mark.parametrize(
    ("around", "words", "why"),
    [
        ({"RAPPORT_IMPORT_KEY": ""}, (), "RAPPORT_IMPORT_KEY"),
        ({"RAPPORT_OUTREACH_URL": ""}, (), "--outreach or RAPPORT_OUTREACH_URL"),
        ({}, ("--ingestion", "http://far.example"), "must be https"),
        ({}, ("--ingestion", "ftp://far.example"), "an address such as"),
        ({}, ("--answer", "purpose=fun"), "purpose: fun is none of"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    given: Given,
    services: Services,
    capsys: pytest.CaptureFixture[str],
    around: dict[str, str],
    words: tuple[str, ...],
    why: str,
) -> None:
    assert given(HEADER + row(1), *words, **around) == 2
    told = capsys.readouterr()
    assert why in told.err
    assert KEY not in told.out + told.err
    assert services.calls == []


def test_the_errors_file_is_not_the_file_itself(
    given: Given, services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HEADER + row(1, consent="perhaps")
    assert given(text, "--errors", str(tmp_path / "people.csv")) == 2
    assert "another file" in capsys.readouterr().err
    assert (tmp_path / "people.csv").read_text() == text


def test_an_answer_of_something_else_ends_the_command(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.first = [httpx.Response(200, text="<html>secret</html>")]
    assert given(HEADER + row(1)) == 2
    told = capsys.readouterr()
    assert "is its address right?" in told.err
    assert "secret" not in told.err


def test_a_file_that_is_changed_meanwhile_is_not_sent_on(
    given: Given, services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services.before = lambda: (tmp_path / "people.csv").write_text("changed")
    assert given(HEADER + "".join(map(row, range(200)))) == 2
    assert "the file was changed meanwhile" in capsys.readouterr().err
    assert len(services.consents) < 200


def test_keys_of_two_practices_send_nothing(
    given: Given, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.first = [httpx.Response(200, json={**services.me, "practice_id": "quay"})]
    assert given(HEADER + row(1)) == 2
    assert "that of one practice" in capsys.readouterr().err
    assert services.calls == ["me", "me"]


def test_no_address_goes_to_another_host_or_into_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    for each in loggers:
        monkeypatch.setattr(each, "level", logging.NOTSET)
    with closing(calls.http_client("https://care.example", KEY)) as client:
        assert not client.follow_redirects
        assert not client.trust_env
    assert [each.level for each in loggers] == [logging.WARNING] * 2


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(command.Place("a", "b", KEY))
