"""Small files of a practice, read as the demo reads them."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rapport_contracts.source import PaymentSettled, SourceEvent
from rapport_devkit.sources.csv_file import read_csv
from rapport_devkit.sources.csv_problems import BadFile, Problem
from rapport_devkit.sources.dataset import Dataset, Origin

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="test")
ORIGIN_ZONE = ZoneInfo(ORIGIN.zone)
HEADER = "client_id,happened_at,event,id,amount,currency,starts_at\n"
GOOD = (
    HEADER
    + "王某一,2026-03-01 09:10,booked,b1,,,2026-03-02 18:00\n"
    + "王某一,2026-03-02 19:05,settled,p1,1200.00,CNY,\n"
)


def read(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Dataset:
    file = folder / "my.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_csv(file, ORIGIN)


def events(dataset: Dataset) -> list[SourceEvent]:
    return [event for day in dataset.days.values() for event in day]


def problems(folder: Path, content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(BadFile) as caught:
        read(folder, content)
    return caught.value.problems


def the_problem(folder: Path, content: str | bytes) -> Problem:
    (problem,) = problems(folder, content)
    return problem


def settled(folder: Path, amount: str, currency: str = "CNY", separator: str = ",") -> int:
    """The minor units of a payment of this amount. Raises BadFile."""
    cells = ["wren", "2026-03-02", "settled", "p1", f'"{amount}"', currency, ""]
    rows = [HEADER.strip().split(","), cells]
    text = "".join(separator.join(row) + "\n" for row in rows)
    (event,) = events(read(folder, text))
    assert isinstance(event, PaymentSettled)
    return event.data.amount_minor


def happened(folder: Path, text: str) -> datetime:
    """When a booking of this `happened_at` happened. Raises BadFile."""
    (event,) = events(read(folder, HEADER + f"wren,{text},completed,b1,,,\n"))
    return event.time.astimezone(UTC)
