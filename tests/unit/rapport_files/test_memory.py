"""Memory does not grow with a file."""

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from rapport_files import decoding
from rapport_files.options import Options
from rapport_files.understanding import understand
from tests.unit.rapport_files.saved_files import HEADER, ORIGIN


def visit(number: int) -> str:
    return f"client-{number},2026-03-02,completed,booking-{number},,,\n"


def damaged(number: int) -> str:
    return f"client-{number},soon,completed,booking-{number},,,\n"


def read(path: Path) -> None:
    understood = understand(path, ORIGIN, Options())
    if understood.can_begin:
        for _ in understood.events():
            pass


def least_peak(path: Path) -> int:
    """Of two readings: other threads of the test run take memory meanwhile."""
    return min(peak(path) for _ in range(2))


def peak(path: Path) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        read(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("row", [visit, damaged])
def test_ten_times_the_rows_take_no_more_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Callable[[int], str]
) -> None:
    monkeypatch.setattr(decoding, "_CHUNK", 1 << 10)  # both files have many pieces
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    few.write_text(HEADER + "".join(map(row, range(100))))
    many.write_text(HEADER + "".join(map(row, range(1_000))))
    read(many)  # what is kept once, such as patterns, and the texts in pydantic's own cache
    assert least_peak(many) < 3 * least_peak(few)
