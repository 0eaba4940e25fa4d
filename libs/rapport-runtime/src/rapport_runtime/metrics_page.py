"""docs/metrics.md, made of the list of metrics: `python -m rapport_runtime.metrics_page`."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from rapport_runtime.metrics import METRICS, OF_APIS, OF_BOTH

_UNITS = ("seconds", "records", "rows")
_HEAD = """# Metrics

Made by `make metrics` from `rapport_runtime/metrics.py`; a test compares both. The list is closed:
our processes export nothing else, except `python_*` and `process_*`, which the client library adds.
Each API and each worker serves `/metrics` on a port of its own, without a key; no label holds a
practice, a client or a worker. The API exports what it reads from the database at each scrape. A
worker exports what only it can see: take the sum or the maximum over the instances.
Alerts on them: `deploy/prometheus/rules.yml`.

| name | exported by | kind | unit | labels | what it means | advice |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"| {' | '.join(_cells(metric))} |\n" for metric in METRICS)


def series_names(metrics: Iterable[MetricWrapperBase] = METRICS) -> dict[str, set[str]]:
    """Every name that a query may use, with its labels; `le` is the buckets' own."""
    names: dict[str, set[str]] = {}
    for metric in metrics:
        name, kind, labels = _described(metric)
        if kind == "histogram":
            names |= {f"{name}_count": set(labels), f"{name}_sum": set(labels)}
            names[f"{name}_bucket"] = {*labels, "le"}
        else:
            names[name] = set(labels)
    return names


def _cells(metric: MetricWrapperBase) -> Sequence[str]:
    name, kind, labels = _described(metric)
    meaning, _, advice = metric._documentation.partition(" Advice: ")
    bare = name.removesuffix("_total")
    unit = next((unit for unit in _UNITS if bare.endswith(unit)), "count")
    shown = ", ".join(f"`{label}`" for label in labels)
    return (f"`{name}`", _exporter(metric), kind, unit, shown, meaning, advice)


def _described(metric: MetricWrapperBase) -> tuple[str, str, Sequence[str]]:
    """Name as exposed, kind, labels. The library keeps labels and text to itself, but stably so."""
    family: Any = next(iter(metric.describe()))
    suffix = "_total" if family.type == "counter" else ""
    return f"{family.name}{suffix}", family.type, metric._labelnames


def _exporter(metric: MetricWrapperBase) -> str:
    if metric in OF_BOTH:
        return "API, worker"
    return "API" if metric in OF_APIS else "worker"


if __name__ == "__main__":
    sys.stdout.write(page())
