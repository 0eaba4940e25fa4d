"""Every alert looks at metrics that there are and names a runbook that there is, and vice versa."""

import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest

from rapport_runtime.metrics_page import series_names
from tests.support.deploy.alerting import (
    CASES,
    EXAMPLE,
    RULES,
    RUNBOOKS,
    Alert,
    alerts,
    case_names,
    cases,
    faults,
    runbooks,
    targets,
)
from tests.support.places import REPOSITORY

ALERTS = alerts()
NAMED = [pytest.param(alert, id=alert.name) for alert in ALERTS]
ISSUE = {
    "lag-grows",
    "business-time-stands-still",
    "dead-letters",
    "outbox-grows",
    "provider-down",
}


@pytest.mark.parametrize("alert", NAMED)
def test_an_alert_refers_only_to_what_is_there(alert: Alert) -> None:
    assert faults(alert, series_names()) == []
    assert alert.severity in {"page", "ticket"}
    assert alert.summary


def test_every_runbook_is_named_by_an_alert_and_the_issues_are_there() -> None:
    assert {alert.runbook for alert in ALERTS} == set(runbooks())
    assert {page.stem for page in runbooks()} >= ISSUE


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    assert {alert for alert, fires in cases() if fires} == {alert.name for alert in ALERTS}
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


OUTAGES = {
    "a service is gone altogether, API and worker; the others live",
    "an API is down and its worker lives",
    "a worker is down and its API lives",
    "nobody tells of any worker, nor ever did",
    "one route always fails, others are asked far more often; elsewhere a single answer failed",
    "a pause downstream keeps nobody upstream quiet, one upstream keeps its readers quiet",
    "a route that is asked a few times an hour fails each time",
    "everything is gone",
    "all is well",
}


def test_each_outage_has_its_case() -> None:
    assert set(case_names()) >= OUTAGES


def test_no_alert_is_kept_quiet_by_what_another_service_has_paused() -> None:
    """`unless on ()` compares with whatever service it finds."""
    texts = {alert.name: str(alert.expression) for alert in ALERTS}
    assert [name for name, text in texts.items() if re.search(r"unless on ?\( ?\)", text)] == []


def test_every_target_says_whose_it_is() -> None:
    found = list(targets())
    assert found
    assert all(address.startswith(service.removesuffix("service")) for address, service in found)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_every_case_comes_out_as_it_says() -> None:
    for words in (["check", "config", EXAMPLE.name], ["test", "rules", CASES.name]):
        done = subprocess.run(
            ["promtool", *words], cwd=RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("rapport_lag > 1", id="no such metric"),
        pytest.param('rapport_lag_records{practice="x"} > 1', id="no such label to select by"),
        pytest.param("sum by (practice) (rapport_lag_records) > 1", id="nor to add up by"),
        pytest.param("increase(rapport_lag[5m]) > 1", id="no such metric over a range"),
        pytest.param("vector(1) > 2", id="no metric at all"),
    ],
)
def test_the_check_itself_finds_what_is_wrong(expression: str) -> None:
    (known, *_) = ALERTS
    wrong = Alert(
        known.name,
        promql_parser.parse(expression),
        known.severity,
        known.runbook,
        known.summary,
    )
    assert faults(wrong, series_names()) != []
    lost = Alert(known.name, known.expression, known.severity, RUNBOOKS / "lost.md", known.summary)
    assert faults(lost, series_names()) != []


def test_the_runbooks_speak_of_metrics_and_commands_that_there_are() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in runbooks())
    metrics = set(re.findall(r"\brapport_[a-z_]+(?=[\[{(\s`)])", pages))
    commands = set(re.findall(r"python -m [a-z<>_]+ (\w+)", pages))
    assert metrics
    assert metrics <= set(series_names())
    assert commands
    assert commands <= {
        "pause",
        "resume",
        "pauses",
        "audit",
        "letters",
        "keys",
        "rebuild",
        "restored",
        "skip",
        "topics",
        "lift",
        "purge",
    }


def words_of_logs_and_answers(page: Path) -> set[str]:
    """Such as `batch_rolled_back` or `unknown-type`: what has an underscore or a hyphen and stands
    between backticks alone."""
    return set(re.findall(r"`([a-z0-9]+(?:[_-][a-z0-9]+)+)`", page.read_text("utf-8")))


def test_runbooks_name_words_of_logs_and_answers() -> None:
    """So the next test compares something, though not each page has such a word."""
    assert {"batch_rolled_back", "unknown-type"} <= set().union(
        *map(words_of_logs_and_answers, runbooks())
    )


@pytest.mark.parametrize("page", runbooks(), ids=lambda page: page.stem)
def test_the_words_of_logs_and_answers_that_a_runbook_names_stand_in_the_source(page: Path) -> None:
    named = words_of_logs_and_answers(page)
    sources = [*REPOSITORY.glob("libs/*/src/**/*.py"), *REPOSITORY.glob("services/*/src/**/*.py")]
    known = "\n".join(source.read_text("utf-8") for source in sources)
    made_up = {word for word in named if not re.search(rf"(?<![\w-]){word}(?![\w-])", known)}
    assert made_up == set()


def test_rules_are_where_the_example_looks_for_them() -> None:
    assert RULES.name in EXAMPLE.read_text("utf-8")
