"""A storm's plan is repeatable and complete; its report tells what was found."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import cast

import pytest

from tests.support.generators.workload import Sent, WorkloadSize, generate
from tests.support.pipeline.findings import Findings
from tests.support.servers.bus_log import RawProducer
from tools.campaign.dead_letters import accept_what_time_has_cured
from tools.campaign.faults import BROKER, FLOOD, POSTGRES, SQUALLS
from tools.campaign.looks import look_at_looks
from tools.campaign.plan import FAILPOINTS, OF_A_FLOOD, Storm, full, short
from tools.campaign.purges import purge_killed
from tools.campaign.report import Report, Round, percentile
from tools.campaign.sender import AMONG, FLOOD_RECORDS, flood, good_event, sent_until
from tools.campaign.storm import Incident


def steps(storm: Storm) -> list[list[str]]:
    return [[each.kind for each in (*day.kills, *day.faults)] for day in storm.days]


@pytest.mark.parametrize("plan", [short, full])
def test_a_seed_is_a_plan(plan: object) -> None:
    assert callable(plan)
    assert steps(plan(7)) == steps(plan(7))
    assert steps(plan(7)) != steps(plan(8))


def test_a_round_of_the_campaign_leaves_nothing_out() -> None:
    for seed in range(20):
        storm = full(seed)
        kills = {(kill.service, kill.failpoint) for day in storm.days for kill in day.kills}
        assert kills == {(service, name) for service in FAILPOINTS for name in FAILPOINTS[service]}
        kinds = {fault.kind for day in storm.days for fault in day.faults}
        purges = {purge_killed(service).kind for service in FAILPOINTS}
        assert kinds >= {fault.kind for fault in (*BROKER, *POSTGRES)} | purges
        assert sum(len(day.kills) + len(day.faults) for day in storm.days) >= 80


@pytest.mark.parametrize("seed", range(20))
def test_no_two_of_a_day_strike_the_same(seed: int) -> None:
    for day in (*short(seed).days, *full(seed).days):
        struck = [f"{kill.service}/{kill.place}" for kill in day.kills]
        struck += [fault.on for fault in day.faults if fault not in SQUALLS]
        assert len(set(struck)) == len(struck)
        assert not (day.kills and any(fault.unready for fault in day.faults))
    assert short(seed).days[0].faults == []


@pytest.mark.parametrize("seed", range(20))
def test_where_a_queue_is_to_be_struck_a_practice_floods(seed: int) -> None:
    for day in (*short(seed).days, *full(seed).days):
        struck = {kill.failpoint for kill in day.kills} & set(OF_A_FLOOD)
        assert not struck or FLOOD in day.faults


def test_a_flood_is_what_one_practice_has_sent_before() -> None:
    workload = generate(WorkloadSize(events=500, clients=20, days=6))

    written: list[Sent] = []

    class Writer:
        def send(self, records: Iterable[Sent]) -> None:
            written.extend(records)

    flood(workload, 3, cast("RawProducer", Writer()))
    assert set(written) <= {sent for records in workload.days[:3] for sent in records}
    practices = Counter(json.loads(sent.value or b"")["practiceid"] for sent in written)
    assert practices.total() == FLOOD_RECORDS
    assert min(practices.values()) * AMONG == FLOOD_RECORDS


@pytest.mark.parametrize("seed", [*range(20), 574885])
def test_nobody_is_told_to_stop_while_postgres_is_silent(seed: int) -> None:
    for day in full(seed).days:
        silent = any("Postgres: black hole" in fault.kind for fault in day.faults)
        assert not silent or not {fault.row for fault in day.faults} & {"R2", "R20"}


def test_an_event_of_too_far_ahead_is_good_when_its_time_has_come() -> None:
    workload = generate(WorkloadSize(events=6_000, clients=50, days=12, first_on=date(2025, 2, 10)))
    held = workload.letters["occurred-in-the-future"]
    before = len(workload.accepted)
    assert held > 0
    assert accept_what_time_has_cured(workload, 2, workload.noon(2)) == 0
    cured = accept_what_time_has_cured(workload, 11, workload.noon(11))
    assert cured > 0
    assert len(workload.accepted) == before + cured
    assert workload.letters["occurred-in-the-future"] == held - cured
    assert accept_what_time_has_cured(workload, 11, workload.noon(11)) == 0


def test_every_good_event_has_been_sent_when_all_days_are_over() -> None:
    workload = generate(WorkloadSize(events=500, clients=20, days=6))
    assert sent_until(workload, 5) == workload.accepted.keys()
    assert len(sent_until(workload, 2)) < len(workload.accepted)
    good = sum(good_event(workload, sent) is not None for day in workload.days for sent in day)
    assert good == 500 + workload.copies


def a_round(**found: list[str]) -> Round:
    incidents = [
        Incident("R4", "broker: cut", 1, "now", 10.0, 11.0, recovered_seconds=float(seconds))
        for seconds in range(1, 101)
    ]
    figures = {"events to accept": 1_000, "outbox backlogs": [7, 3]}
    faults = {kind.replace("_", " "): each for kind, each in found.items()}
    return Round(5, 60.0, incidents, Findings(figures, faults))


def test_a_report_of_a_run_without_findings_says_what_that_proves(tmp_path: Path) -> None:
    report = Report("Storms", "today", [a_round(), a_round()])
    report.write(tmp_path / "report")
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "0 failures in 200 faults gives, at 95 %, an upper bound of about 3/200 = 1.50%" in page
    assert "| R4 broker: cut | 200 | 200 | 50.0 | 99.0 |" in page
    assert "## Found" not in page
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (written["faults_injected"], written["events"], written["lost"]) == (200, 2_000, 0)
    assert len(written["rounds"][0]["incidents"]) == 100


def test_findings_are_reported_by_kind_and_spoils_the_claim() -> None:
    found = a_round(lost_events=["a", "b"], double_deliveries=["c"], odd_things=["d"])
    found.findings.faults["wrong tier on a day"] = ["day 3: e"]
    report = Report("Storms", "today", [a_round(), found])
    written = report.as_json()
    names = ("lost", "double_sends", "wrong_tiers", "doubled")
    assert [written[name] for name in names] == [2, 1, 1, 0]
    assert found.faults_found == 5
    assert Round(6, 1.0, [], broke_off="Timeout: …").faults_found == 1


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(range(1, 101), 99) == 99
    assert percentile([], 99) == 0


def test_a_worker_that_took_its_database_for_an_older_one_is_a_finding(tmp_path: Path) -> None:
    """No database is restored in a storm."""
    (tmp_path / "scoring-worker-1.log").write_text('{"action": "output_looked_at"}\n' * 3)
    (tmp_path / "scoring-api.log").write_text('{"action": "database_is_older"}\n')
    findings = Findings()
    look_at_looks(tmp_path, findings)
    assert findings.figures["looks"] == 3
    assert findings.faults["false alarms of a restore"] == []
    (tmp_path / "outreach-worker-1.log").write_text('{"action": "database_is_older"}\n')
    look_at_looks(tmp_path, findings)
    assert findings.faults["false alarms of a restore"] == ["outreach-worker-1.log"]
