"""Memory does not grow with a file."""

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from rapport_files import decoding
from rapport_files.options import Options
from rapport_files.people import understand_people
from rapport_files.understanding import understand
from tests.unit.rapport_files.saved_files import HEADER, ORIGIN


def visit(number: int) -> str:
    return f"client-{number},2026-03-02,completed,booking-{number},,,\n"


def damaged(number: int) -> str:
    return f"client-{number},soon,completed,booking-{number},,,\n"


def contact(number: int) -> str:
    return f"client-{number},name,client{number}@x.example,2026-03-02,given,2026-03-02\n"


def read_people(path: Path) -> None:
    answers = {"purpose": "care", "time_zone": "Asia/Shanghai", "time_of_day": "noon"}
    proof = {"evidence": "cabinet", "text_version": "v1"}
    for _ in understand_people(path, {**answers, **proof}).told():
        pass


def read(path: Path) -> None:
    understood = understand(path, ORIGIN, Options())
    if understood.can_begin:
        for _ in understood.events():
            pass


def least_peak(path: Path, read: Callable[[Path], None] = read) -> int:
    """Of two readings: other threads of the test run take memory meanwhile."""
    return min(peak(path, read) for _ in range(2))


def peak(path: Path, read: Callable[[Path], None]) -> int:
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


def test_ten_times_the_contacts_take_no_more_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_CHUNK", 1 << 10)
    header = "client_id,name,email,valid_from,consent,stated_at\n"
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    few.write_text(header + "".join(map(contact, range(100))))
    many.write_text(header + "".join(map(contact, range(1_000))))
    read_people(many)
    assert least_peak(many, read_people) < 3 * least_peak(few, read_people)
