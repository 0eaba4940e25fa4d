"""A workbook that would take too much memory is refused before its cells are read."""

import zipfile
from pathlib import Path

import pytest

from rapport_files.options import Options
from rapport_files.problems import Problem
from rapport_files.readers import workbook as reader
from rapport_files.understanding import understand
from tests.unit.rapport_files.saved_files import HEADER, ORIGIN
from tests.unit.rapport_files.workbooks import Rows, workbook

GOOD: Rows = [HEADER.strip().split(","), ["wren", "2026-03-02", "completed", "b1"]]
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
TOO_MANY = "has more than 5,000,000 cells"


def told(folder: Path, parts: dict[str, str]) -> list[str]:
    """What stands against a workbook of two sheets, some parts of which are written anew."""
    path = workbook(folder / "good.xlsx", {"a": GOOD, "b": [["x"]]})
    changed = folder / "changed.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for each in old.namelist():
            new.writestr(each, parts.get(each) or old.read(each))
        for name in parts.keys() - set(old.namelist()):
            new.writestr(name, parts[name])
    found: list[Problem] = []
    understand(changed, ORIGIN, Options(), found.append)
    return list(map(str, found))


def sheet(rows: str) -> dict[str, str]:
    """The second sheet; the first one is read."""
    return {
        "xl/worksheets/sheet2.xml": f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>"
    }


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        "<row r='1048576'><c s='>' r = 'XFD1048576'><v>1</v></c></row>",
        '<row r="1"><c r="H1"><v>1</v></c></row><row r="999999"><c r="A999999"><v>1</v></c></row>',
        '<row r="1048575"/><row>' + "<c/>" * 7 + "<c><v>1</v></c></row>",
        '<row r="9000000"><c><v>1</v></c></row>',
    ],
)
def test_a_far_cell_of_any_sheet_is_refused(tmp_path: Path, rows: str) -> None:
    (problem,) = told(tmp_path, sheet(rows))
    assert TOO_MANY in problem
    assert "CSV UTF-8" in problem


def test_cells_without_a_value_take_no_place(tmp_path: Path) -> None:
    assert told(tmp_path, sheet('<row r="1048576"><c r="XFD1048576" s="1"/></row>')) == []


def test_all_sheets_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = '<row r="2"><c r="C2"><v>1</v></c></row>'
    monkeypatch.setattr(reader, "MOST_CELLS", 14 + 6)
    assert told(tmp_path, sheet(rows)) == []
    monkeypatch.setattr(reader, "MOST_CELLS", 14 + 5)
    assert "cells up to its last one" in told(tmp_path, sheet(rows))[0]


@pytest.mark.parametrize(("cells", "is_refused"), [(14, False), (140, True)])
def test_a_shared_string_counts_in_each_cell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cells: int,
    is_refused: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(reader, "MOST_UNPACKED", 100_000)
    text = f"<sst {MAIN}><si><t>a</t></si><si><r><t>{'x' * 1000}</t></r></si></sst>"
    parts = sheet("<row>" + '<c t="s"><v>1</v></c>' * cells + "</row>")
    found = told(tmp_path, {**parts, "xl/SharedStrings.xml": text})
    assert ["unpacked" in each for each in found] == [True] * is_refused


@pytest.mark.parametrize(
    "part",
    [
        "<worksheet><sheetData><row>",
        f'<worksheet {MAIN}><sheetData><row r="x"/></sheetData></worksheet>',
        f'<worksheet {MAIN}><sheetData><row><c r="?"/></row></sheetData></worksheet>',
        f"<!DOCTYPE x []><worksheet {MAIN}><sheetData/></worksheet>",
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path: Path, part: str) -> None:
    (problem,) = told(tmp_path, {"xl/worksheets/sheet2.xml": part})
    assert "is no workbook that can be read" in problem


def test_a_workbook_of_another_kind_in_the_same_file_is_refused(tmp_path: Path) -> None:
    assert "of the kind .xlsx" in told(tmp_path, {"xl/workbook.bin": "x"})[0]
