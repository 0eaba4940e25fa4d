"""A file tells the same, however it is written and in whatever order its rows stand."""

import csv
import io
import json
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rapport_files.options import Options
from rapport_files.problems import Problem
from rapport_files.readers.rows import Row
from rapport_files.tables import open_table
from rapport_files.understanding import understand
from tests.unit.rapport_files.saved_files import HEADER, ORIGIN
from tests.unit.rapport_files.workbooks import workbook

COLUMNS = HEADER.strip().split(",")
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be")
SEPARATORS = (",", ";", "\t", "|", "，")
ENDS = ("\n", "\r\n")

names = st.text("abc 王某一,;|，\"'", min_size=1, max_size=8)
clients = st.sampled_from(["wren", "heron", "王某一", "C 011"]) | names.map(
    lambda text: f"c{text}c"
)
days = st.dates().map(lambda on: f"2026-{on.month:02}-{min(on.day, 28):02}")
visits = st.tuples(
    clients,
    days,
    st.sampled_from(["completed", "爽约", "cancelled"]),
    st.sampled_from(["b1", "b2", "订单3"]),
    st.just(""),
    st.just(""),
    st.just(""),
)
payments = st.tuples(
    clients,
    days,
    st.sampled_from(["settled", "退款"]),
    st.sampled_from(["p1", "p2"]),
    st.sampled_from(["49.90", "¥1,200.00", "300元"]),
    st.just("CNY"),
    st.just(""),
)
tables = st.lists(visits | payments, min_size=1, max_size=12)
Rows = list[tuple[str, ...]]


def rows_of(path: Path) -> list[tuple[str, ...]]:
    table = open_table(path, Options())
    found = [each for each in table.rows() if isinstance(each, Row)]
    assert not table.blocked
    return [tuple(each.cells) for each in found]


def as_csv(rows: Rows, separator: str, end: str) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end)
    writer.writerows([tuple(COLUMNS), *rows])
    return file.getvalue()


def plain(rows: Rows) -> Rows:
    """Blanks around a cell are no part of it."""
    return [tuple(cell.strip() for cell in row) for row in rows]


def event_ids(folder: Path, rows: Rows) -> Counter[str]:
    path = folder / "my.csv"
    path.write_bytes(as_csv(rows, ",", "\n").encode())
    found: list[Problem] = []
    understood = understand(path, ORIGIN, Options(), found.append)
    assert found == []
    return Counter(f"{event.id} {event.type} {event.subject}" for event in understood.events())


@given(tables, st.sampled_from(ENCODINGS), st.sampled_from(SEPARATORS), st.sampled_from(ENDS))
def test_a_file_in_any_encoding_and_with_any_separator_has_the_same_rows(
    rows: Rows, encoding: str, separator: str, end: str
) -> None:
    rows = [*rows, ("王某一", "2026-03-02", "爽约", "b1", "", "", "")]  # no UTF-8 in GB18030
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "my.csv")
        path.write_bytes(as_csv(rows, separator, end).encode(encoding))
        assert rows_of(path) == plain(rows)


@given(tables, st.sampled_from(ENCODINGS))
def test_a_file_of_json_lines_has_the_same_rows(rows: Rows, encoding: str) -> None:
    rows = [*rows, ("王某一", "2026-03-02", "爽约", "b1", "", "", "")]
    lines = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "my.jsonl")
        path.write_bytes(text.encode(encoding))
        assert rows_of(path) == plain(rows)


@given(tables)
def test_a_workbook_has_the_same_rows(rows: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = workbook(Path(folder, "my.xlsx"), {"Sheet1": [COLUMNS, *rows]})
        assert rows_of(path) == plain(rows)


@given(st.data())
def test_rows_in_another_order_are_the_same_events(data: st.DataObject) -> None:
    rows = data.draw(tables)
    rows += data.draw(st.lists(st.sampled_from(rows), max_size=4))
    shuffled = data.draw(st.permutations(rows))
    with tempfile.TemporaryDirectory() as folder:
        told = event_ids(Path(folder), rows)
        assert told == event_ids(Path(folder), shuffled)
        assert set(told.values()) == {1}


@given(tables, tables)
def test_rows_that_came_before_are_the_same_events_in_a_longer_file(old: Rows, new: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = event_ids(Path(folder), old)
        assert before <= event_ids(Path(folder), [*new, *old])
        moved = [dict(zip(COLUMNS, row, strict=True)) for row in old]
        path = Path(folder, "my.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in moved))
        understood = understand(path, ORIGIN, Options())
        ids = Counter(f"{event.id} {event.type} {event.subject}" for event in understood.events())
        assert ids == before
