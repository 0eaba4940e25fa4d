"""Alerts: each looks at metrics and labels that there are, and names a runbook that there is."""

from collections.abc import Iterable

from rapport_runtime.metrics_page import series_names
from tests.support.deploy.alerting import alerts, cases, faults, runbooks
from tools.claim import Bench, Measured, all_of


def measure(bench: Bench) -> Iterable[Measured]:
    """Reads the rules, the runbooks and the list of metrics; starts nothing."""
    bench.say("alerts and their runbooks")
    known, series = alerts(), series_names()
    whole = [alert for alert in known if not faults(alert, series)]
    fires = {name for name, expected in cases() if expected}
    named = {alert.runbook for alert in known} & set(runbooks())
    return [
        all_of("alerts: every alert with its runbook", len(whole), len(known)),
        all_of("alerts: with a case in which it fires", len(fires), len(known)),
        all_of("alerts: runbooks that an alert names", len(named), len(runbooks())),
    ]
