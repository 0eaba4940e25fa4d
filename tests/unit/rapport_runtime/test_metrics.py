"""The list of metrics is closed, told in docs/metrics.md, and safe in its labels."""

import ast
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from rapport_runtime import metrics, metrics_page
from rapport_runtime.metrics import METRICS, OF_APIS, OF_BOTH, OF_WORKERS
from tests.support.places import REPOSITORY

SOURCES = sorted((REPOSITORY / "libs").glob("*/src/*/**/*.py")) + sorted(
    (REPOSITORY / "services").glob("*/src/*/**/*.py")
)
MAY_KNOW_THE_LIBRARY = {"metrics.py", "metrics_page.py", "probes.py"}
BOUNDED = {
    "group": "our services",
    "topic": "our topics",
    "partition": "sixteen a topic",
    "method": "what HTTP has",
    "route": "templates",
    "status": "what HTTP has",
    "reason": "slugs of the code",
    "cause": "slugs of the code",
    "channel": "three",
    "outcome": "six",
    "code": "one for a channel at a time: the gauge is read anew",
    "state": "three",
    "kind": "three",
    "what": "words of the code",
}
"""Every label that a metric may have, and why it has few values."""


def test_the_page_is_as_the_code_says() -> None:
    path = REPOSITORY / "docs" / "metrics.md"
    assert path.read_text("utf-8") == metrics_page.page(), "run `make metrics`"


def test_the_process_tells_these_metrics_and_no_others() -> None:
    shown = {
        family.name
        for family in REGISTRY.collect()
        if not family.name.startswith(("python_", "process_"))
    }
    assert shown == {family.name for metric in METRICS for family in metric.describe()}


def test_only_the_list_declares_metrics() -> None:
    knowing = {path.name for path in SOURCES if "prometheus_client" in _imports(path)}
    assert knowing == MAY_KNOW_THE_LIBRARY


@pytest.mark.parametrize(
    "name", sorted(name for name, each in vars(metrics).items() if each in METRICS)
)
def test_every_metric_of_the_list_is_exported_by_somebody(name: str) -> None:
    used = [path for path in SOURCES if name in _words(path) and path.name != "metrics.py"]
    assert used, f"nobody sets {name}"


def test_every_label_has_few_values() -> None:
    labels = {label for names in metrics_page.series_names().values() for label in names}
    assert labels - {"le"} == BOUNDED.keys()


def test_each_is_exported_by_the_api_or_by_the_worker_or_by_both() -> None:
    listed = [*OF_APIS, *OF_WORKERS, *OF_BOTH]
    assert len(set(listed)) == len(METRICS) == len(listed)


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    found = {
        node.module.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }
    return found | {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }


@cache
def _words(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
