"""The final tables, from the figures."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rapport_devkit.demo.figures import Figures

_SETTLED = ("suppressed", "cancelled", "expired", "failed", "bounced", "unknown")


def print_rulebook(console: Console, path: Path) -> None:
    """Print the cut-offs in force, which were chosen for the sample."""
    rules = json.loads(path.read_text(encoding="utf-8"))
    table = Table(title=f"Rulebook {rules['key']} version {rules['version']}", title_justify="left")
    for column in ("input", "weight", "cut-off: points"):
        table.add_column(column)
    for name, bound in (
        ("recency", "within"),
        ("frequency", "at_least"),
        ("monetary", "at_least_minor"),
    ):
        levels = [f"{bound} {level[bound]}: {level['points']}" for level in rules[name]["levels"]]
        table.add_row(name, str(rules["weights"][name]), ", ".join(levels))
    bands = [f"{band['tier']} from {band['at_least']}" for band in rules["bands"]]
    table.add_row("bands", "", ", ".join(bands))
    console.print(table)


def print_figures(console: Console, figures: Figures) -> None:
    """Print all figures as tables."""
    console.print(_events(figures))
    console.print(_tiers(figures))
    console.print(_changes(figures))
    if figures.delivered is not None:
        for table in (_messages(figures), _withheld(figures), _deferred(figures)):
            console.print(table)


def print_verdict(console: Console, losses: Sequence[str], taken_back: int) -> None:
    """Print whether anything was lost, and how many visits were taken back: these were not lost,
    and they count no longer."""
    if not losses:
        console.print("[bold green]Nothing lost, nothing twice.[/]")
    if taken_back:
        visits = f"{taken_back:,} completed visit{'s' * (taken_back != 1)}"
        console.print(f"[yellow]{visits} taken back by a later event.[/]", highlight=False)
    for loss in losses:
        console.print(f"[bold red]LOST[/] {loss}", highlight=False)


def _table(title: str, *columns: str) -> Table:
    """A table whose last column is a number."""
    table = Table(title=title, title_justify="left")
    for column in columns[:-1]:
        table.add_column(column)
    table.add_column(columns[-1], justify="right")
    return table


def _filled(table: Table, rows: Iterable[tuple[Any, ...]]) -> Table:
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    if not table.rows:
        table.add_row(*("-" for _ in table.columns))
    return table


def _events(figures: Figures) -> Table:
    letters = sorted(figures.dead_letters.items())
    return _filled(
        _table("Events", "what", "records"),
        [
            ("sent to the bus", figures.sent.records),
            ("accepted (events in)", figures.accepted),
            ("  that took a visit back", figures.taken_back),
            ("duplicates", figures.duplicates),
            ("dead letters", sum(figures.dead_letters.values())),
            *((f"  {reason}", count) for reason, count in letters),
            ("events a second", round(figures.sent.records / figures.sent.seconds)),
        ],
    )


def _tiers(figures: Figures) -> Table:
    rows = ((f"{t['names']['en']} {t['names']['zh']}", t["clients"]) for t in figures.tiers)
    return _filled(_table("Clients per tier", "tier", "clients"), rows)


def _changes(figures: Figures) -> Table:
    changes = chain.from_iterable(figures.changes.values())
    counts = Counter((change.reason, change.direction) for change in changes)
    rows = [(reason, direction, n) for (reason, direction), n in sorted(counts.items())]
    return _filled(_table("Tier changes by reason", "reason", "direction", "changes"), rows)


def _messages(figures: Figures) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    for row in figures.messages:
        counts[row["channel"] or "-", row["state"]] += row["messages"]
    rows = [(channel, state, n) for (channel, state), n in sorted(counts.items())]
    return _filled(_table("Messages by channel and state", "channel", "state", "messages"), rows)


def _withheld(figures: Figures) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    for row in figures.messages:
        if row["state"] in _SETTLED:
            counts[row["state"], row["reason"] or "-"] += row["messages"]
    rows = [(state, reason, n) for (state, reason), n in sorted(counts.items())]
    return _filled(_table("Messages not delivered, and why", "state", "reason", "messages"), rows)


def _deferred(figures: Figures) -> Table:
    rows = sorted(figures.deferred.items())
    return _filled(_table("Deferred by the limits at some time", "limit", "messages"), rows)
