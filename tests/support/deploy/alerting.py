"""The alert rules and the runbooks as they lie in the repository, and what they refer to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import promql_parser
import yaml

from tests.support.places import REPOSITORY

RULES = REPOSITORY / "deploy" / "prometheus" / "rules.yml"
CASES = REPOSITORY / "deploy" / "prometheus" / "rules.test.yml"
EXAMPLE = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
INDEX = RUNBOOKS / "README.md"
HEADINGS = ("Look", "Do", "Do not", "It is over")
_GIVEN_BY_PROMETHEUS = {"instance", "job", "service"}
"""The labels of a target; `service` is set in prometheus.yml."""
_OF_PROMETHEUS = MappingProxyType({"up": frozenset[str]()})
"""Series that Prometheus itself makes for each target, with their own labels."""


@dataclass(frozen=True)
class Alert:
    """One alert: its expression parsed, and the page that its annotation names."""

    name: str
    expression: promql_parser.Expr
    severity: str
    runbook: Path
    summary: str


def alerts(rules: Path = RULES) -> list[Alert]:
    """Every alert of the file; raises what the parsers raise."""
    groups = yaml.safe_load(rules.read_text("utf-8"))["groups"]
    return [_alert(rule) for group in groups for rule in group["rules"]]


def cases(path: Path = CASES) -> Iterator[tuple[str, bool]]:
    """The cases for promtool: an alert's name, and whether it is expected to fire."""
    for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
        for case in test.get("alert_rule_test", ()):
            yield case["alertname"], bool(case["exp_alerts"])


def case_names(path: Path = CASES) -> list[str]:
    """What the cases for promtool are called."""
    return [test["name"] for test in yaml.safe_load(path.read_text("utf-8"))["tests"]]


def targets(example: Path = EXAMPLE) -> Iterator[tuple[str, str]]:
    """Each address that the example asks, with the label `service` that it gives it."""
    for job in yaml.safe_load(example.read_text("utf-8"))["scrape_configs"]:
        for group in job["static_configs"]:
            for address in group["targets"]:
                yield address, group["labels"]["service"]


def runbooks() -> list[Path]:
    """Every page but the index."""
    return sorted(page for page in RUNBOOKS.glob("*.md") if page != INDEX)


def faults(alert: Alert, series: Mapping[str, set[str]]) -> list[str]:
    """What an alert refers to that is not there: metrics, labels, its runbook or parts of it."""
    known = {**series, **_OF_PROMETHEUS}
    found = [
        f"{alert.name}: {selector.name} {label}"
        for selector, label in _uses(alert.expression)
        if selector.name not in known or label not in known[selector.name] | _GIVEN_BY_PROMETHEUS
    ]
    if not any(True for _ in _selectors(alert.expression)):
        found.append(f"{alert.name}: looks at no metric")
    if not alert.runbook.is_file():
        return [*found, f"{alert.name}: no page {alert.runbook.name}"]
    text = alert.runbook.read_text("utf-8")
    found += [f"{alert.runbook.name}: no part {part}" for part in HEADINGS if not _has(text, part)]
    if alert.name not in text or alert.name not in INDEX.read_text("utf-8"):
        found.append(f"{alert.runbook.name}: does not say {alert.name}")
    return found


def _has(page: str, heading: str) -> bool:
    return re.search(rf"^## {heading}$", page, re.MULTILINE) is not None


def _alert(rule: Mapping[str, Any]) -> Alert:
    return Alert(
        rule["alert"],
        promql_parser.parse(rule["expr"]),
        rule["labels"]["severity"],
        REPOSITORY / rule["annotations"]["runbook"],
        rule["annotations"]["summary"],
    )


def _uses(expression: promql_parser.Expr) -> Iterator[tuple[promql_parser.VectorSelector, str]]:
    """Each selector with each label that it selects by, or that an aggregation over it keeps."""
    for selector in _selectors(expression):
        yield selector, "instance"  # the name alone is a use
        for matcher in selector.matchers.matchers:
            yield selector, matcher.name
    for part in _parts(expression):
        labels = part.modifier.labels if _keeps_labels(part) else []
        for selector in _selectors(part):
            for label in labels:
                yield selector, label


def _keeps_labels(part: promql_parser.Expr) -> bool:
    is_aggregate = isinstance(part, promql_parser.AggregateExpr)
    return is_aggregate and part.modifier is not None


def _selectors(expression: promql_parser.Expr) -> Iterator[promql_parser.VectorSelector]:
    for part in _parts(expression):
        if isinstance(part, promql_parser.VectorSelector):
            yield part
        elif isinstance(part, promql_parser.MatrixSelector):
            yield part.vector_selector


def _parts(expression: promql_parser.Expr) -> list[promql_parser.Expr]:
    found: list[promql_parser.Expr] = []
    promql_parser.walk(expression, found.append)
    return found
