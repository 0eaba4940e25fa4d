"""Lines of the bench's table: a claim, the medians of the runs, the goal, and ok or short."""

import statistics
from collections.abc import Sequence

from tools.claim import Measured

NO_GOAL = ""


def at_least(claim: str, runs: Sequence[float], goal: float, *, note: str = "") -> Measured:
    """A claim that the median of the runs reaches the goal; `note` stands behind the figure."""
    return Measured(claim, _figure(runs, note), f">= {goal:g}", statistics.median(runs) >= goal)


def at_most(claim: str, runs: Sequence[float], goal: float, *, note: str = "") -> Measured:
    """A claim that the median of the runs stays within the goal."""
    return Measured(claim, _figure(runs, note), f"<= {goal:g}", statistics.median(runs) <= goal)


def plain(claim: str, figure: str) -> Measured:
    """A figure that nobody has set a goal for."""
    return Measured(claim, figure, NO_GOAL, ok=True)


def table(lines: Sequence[tuple[str, Measured]]) -> str:
    """The lines in columns, each with the bench it comes from."""
    rows = [("bench", "claim", "figure", "goal", "")]
    rows += [(bench, line.claim, line.figure, line.goal, _verdict(line)) for bench, line in lines]
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _verdict(line: Measured) -> str:
    if line.goal == NO_GOAL:
        return ""
    return "ok" if line.ok else "SHORT"


def _figure(runs: Sequence[float], note: str) -> str:
    spread = f" [{min(runs):.3g}-{max(runs):.3g}]" if len(runs) > 1 else ""
    return f"{statistics.median(runs):.3g}{spread}{f' ({note})' if note else ''}"
