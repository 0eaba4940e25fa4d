"""The final tables, from the figures."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rapport_contracts.ranges import currencies
from rapport_devkit.demo.figures import Figures
from rapport_devkit.sources.dataset import Dataset
from rapport_devkit.words import ENGLISH, Words

_SETTLED = ("suppressed", "cancelled", "expired", "failed", "bounced", "unknown")


def print_file(console: Console, dataset: Dataset, words: Words = ENGLISH) -> None:
    """Print what was read, and how, before anything is started."""
    first, last = dataset.first_on.isoformat(), dataset.last_on.isoformat()
    span = words(
        "{title}: {events:,} events of {clients:,} clients, {first} to {last}, in {currency}",
        title=dataset.title,
        events=dataset.events,
        clients=len(dataset.clients()),
        first=first,
        last=last,
        currency=dataset.currency,
    )
    for line in (span, *(f"  {note}" for note in dataset.notes)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_rulebook(
    console: Console, path: Path, currency: str = "USD", words: Words = ENGLISH
) -> None:
    """Print the cut-offs in force, with the amounts in the practice's currency."""
    rules = json.loads(path.read_text(encoding="utf-8"))
    table = _plain_table(
        words("Rulebook {key} version {version}", key=rules["key"], version=rules["version"]),
        *(words(column) for column in ("input", "weight", "cut-off: points")),
    )
    for name, bound, text in (
        ("recency", "within", "within {bound}: {points}"),
        ("frequency", "at_least", "at least {bound}: {points}"),
        ("monetary", "at_least_minor", "at least {bound}: {points}"),
    ):
        levels = [
            words(
                text,
                bound=money(level[bound], currency) if name == "monetary" else level[bound],
                points=level["points"],
            )
            for level in rules[name]["levels"]
        ]
        table.add_row(words(name), str(rules["weights"][name]), ", ".join(levels))
    bands = [
        words("{tier} from {score}", tier=band["tier"], score=band["at_least"])
        for band in rules["bands"]
    ]
    table.add_row(words("bands"), "", ", ".join(bands))
    console.print(table)
    fit = words(
        "Tiers are as good as these cut-offs: set them to your prices first, in a rulebook of your"
        " own (--rulebook; its amounts are minor units, such as fen or cents)."
    )
    console.print(fit, markup=False, highlight=False, soft_wrap=True)


def print_figures(console: Console, figures: Figures, words: Words = ENGLISH) -> None:
    """Print all figures as tables, and which of them the demo itself has caused."""
    console.print(_events(figures, words))
    if figures.sent.duplicates or figures.sent.junk:
        added = words(
            "The demo itself sent {duplicates:,} events twice and added {junk:,} broken records, as"
            " real sources do.",
            duplicates=figures.sent.duplicates,
            junk=figures.sent.junk,
        )
    else:
        added = words("Each line of the file was sent once, and nothing was added.")
    console.print(added, highlight=False, soft_wrap=True)
    console.print(_tiers(figures, words))
    console.print(_changes(figures, words))
    if figures.delivered is not None:
        for table in (
            _messages(figures, words),
            _withheld(figures, words),
            _deferred(figures, words),
        ):
            console.print(table)
        invented = words(
            "Names, addresses and consents are invented, and so is who has refused: nobody real was"
            " written to."
        )
        console.print(invented, highlight=False, soft_wrap=True)


def print_verdict(
    console: Console, losses: Sequence[str], taken_back: int, words: Words = ENGLISH
) -> None:
    """Print whether anything was lost, and how many visits were taken back: these were not lost,
    and they count no longer."""
    if not losses:
        console.print(words("Nothing lost, nothing twice."), style="bold green")
    if taken_back:
        text = "{visits:,} completed visits taken back by a later event."
        if taken_back == 1:
            text = "1 completed visit taken back by a later event."
        console.print(words(text, visits=taken_back), style="yellow", highlight=False)
    for loss in losses:
        console.print(f"[bold red]LOST[/] {loss}", highlight=False)


def money(amount_minor: int, currency: str) -> str:
    """An amount in the currency's main unit, with its code; a sign before the digits stays."""
    decimals = currencies().get(currency, 2)
    return f"{Decimal(amount_minor).scaleb(-decimals):,.{decimals}f} {currency}".rstrip()


def _plain_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _table(title: str, *columns: str) -> Table:
    """A table whose last column is a number."""
    table = _plain_table(title, *columns[:-1])
    table.add_column(columns[-1], justify="right")
    return table


def _filled(table: Table, rows: Iterable[tuple[Any, ...]]) -> Table:
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    if not table.rows:
        table.add_row(*("-" for _ in table.columns))
    return table


def _events(figures: Figures, words: Words) -> Table:
    letters = sorted(figures.dead_letters.items())
    return _filled(
        _table(words("Events"), words("what"), words("records")),
        [
            (words("sent to the bus"), figures.sent.records),
            (words("accepted (events in)"), figures.accepted),
            ("  " + words("that took a visit back"), figures.taken_back),
            (words("duplicates"), figures.duplicates),
            (words("dead letters"), sum(figures.dead_letters.values())),
            *((f"  {reason}", count) for reason, count in letters),
            (words("events a second"), round(figures.sent.records / figures.sent.seconds)),
        ],
    )


def _tiers(figures: Figures, words: Words) -> Table:
    rows = ((f"{t['names']['en']} {t['names']['zh']}", t["clients"]) for t in figures.tiers)
    return _filled(_table(words("Clients per tier"), words("tier"), words("clients")), rows)


def _changes(figures: Figures, words: Words) -> Table:
    changes = chain.from_iterable(figures.changes.values())
    counts = Counter((change.reason, change.direction) for change in changes)
    rows = [(reason, direction, n) for (reason, direction), n in sorted(counts.items())]
    columns = map(words, ("reason", "direction", "changes"))
    return _filled(_table(words("Tier changes by reason"), *columns), rows)


def _messages(figures: Figures, words: Words) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    for row in figures.messages:
        counts[row["channel"] or "-", row["state"]] += row["messages"]
    rows = [(channel, state, n) for (channel, state), n in sorted(counts.items())]
    columns = map(words, ("channel", "state", "messages"))
    return _filled(_table(words("Messages by channel and state"), *columns), rows)


def _withheld(figures: Figures, words: Words) -> Table:
    counts: Counter[tuple[str, str]] = Counter()
    for row in figures.messages:
        if row["state"] in _SETTLED:
            counts[row["state"], row["reason"] or "-"] += row["messages"]
    rows = [(state, reason, n) for (state, reason), n in sorted(counts.items())]
    columns = map(words, ("state", "reason", "messages"))
    return _filled(_table(words("Messages not delivered, and why"), *columns), rows)


def _deferred(figures: Figures, words: Words) -> Table:
    rows = sorted(figures.deferred.items())
    columns = map(words, ("limit", "messages"))
    return _filled(_table(words("Deferred by the limits at some time"), *columns), rows)
