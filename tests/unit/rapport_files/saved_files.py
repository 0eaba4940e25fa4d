"""Small files of a practice, read by the library."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rapport_contracts.source import PaymentSettled, SourceEvent
from rapport_files.events import Origin
from rapport_files.options import Options
from rapport_files.problems import Problem
from rapport_files.understanding import Understanding, understand

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="test")
ORIGIN_ZONE = ZoneInfo(ORIGIN.zone)
HEADER = "client_id,happened_at,event,id,amount,currency,starts_at\n"
GOOD = (
    HEADER
    + "王某一,2026-03-01 09:10,booked,b1,,,2026-03-02 18:00\n"
    + "王某一,2026-03-02 19:05,settled,p1,1200.00,CNY,\n"
)


@dataclass(frozen=True)
class Refused(Exception):
    """Something stands against a file."""

    understood: Understanding
    problems: list[Problem]


def look(
    folder: Path, content: str | bytes, encoding: str = "utf-8", **answers: str
) -> Understanding:
    """What is understood of a file."""
    return _look(folder, content, encoding, answers)[0]


def _look(
    folder: Path, content: str | bytes, encoding: str, answers: dict[str, str]
) -> tuple[Understanding, list[Problem]]:
    file = folder / "my.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    found: list[Problem] = []
    understood = understand(file, ORIGIN, Options(answers=answers), found.append)
    assert understood.refusals.count == len(found)
    return understood, found


def read(
    folder: Path, content: str | bytes, encoding: str = "utf-8", **answers: str
) -> Understanding:
    """A file against which nothing stands. Raises Refused."""
    understood, found = _look(folder, content, encoding, answers)
    if found or not understood.can_begin:
        raise Refused(understood, found)
    return understood


def events(understood: Understanding) -> list[SourceEvent]:
    return list(understood.events())


def clients(understood: Understanding) -> list[str]:
    return sorted({event.subject for event in understood.events()})


def problems(folder: Path, content: str | bytes, **answers: str) -> list[Problem]:
    found = _look(folder, content, "utf-8", answers)[1]
    assert found
    return sorted(found, key=lambda problem: problem.line)


def the_problem(folder: Path, content: str | bytes, **answers: str) -> Problem:
    (problem,) = problems(folder, content, **answers)
    return problem


def payment(amount: str, currency: str = "CNY", separator: str = ",") -> str:
    """A file of one payment."""
    cells = ["wren", "2026-03-02", "settled", "p1", f'"{amount}"', currency, ""]
    rows = [HEADER.strip().split(","), cells]
    return "".join(separator.join(row) + "\n" for row in rows)


def settled(folder: Path, amount: str, currency: str = "CNY", separator: str = ",") -> int:
    """The minor units of a payment of this amount."""
    (event,) = events(read(folder, payment(amount, currency, separator)))
    assert isinstance(event, PaymentSettled)
    return event.data.amount_minor


def happened(folder: Path, text: str, **answers: str) -> datetime:
    """When a booking of this `happened_at` happened."""
    (event,) = events(read(folder, HEADER + f"wren,{text},completed,b1,,,\n", **answers))
    return event.time.astimezone(UTC)
