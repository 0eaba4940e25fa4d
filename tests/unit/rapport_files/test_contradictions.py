"""Lines that contradict each other are all refused; a row has the same id in any format."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapport_files.options import Options
from rapport_files.problems import Problem
from rapport_files.understanding import understand
from tests.unit.rapport_files.saved_files import HEADER, ORIGIN, events, look, problems, read
from tests.unit.rapport_files.workbooks import workbook

WITH_IDS = "client_id,happened_at,event,id,amount,event_id,updated_at\n"
STATES = "client_id,starts_at,status,id\n"


@pytest.mark.parametrize("middle", ["", "heron,2026-03-03,settled,p9,9,e9,\n"])
def test_all_lines_that_contradict_each_other_are_refused(tmp_path: Path, middle: str) -> None:
    text = (
        WITH_IDS
        + "wren,2026-03-02,settled,p1,49.90,e1,\n"
        + middle
        + "wren,2026-03-02,settled,p1,49.91,e1,\n"
        + "wren,2026-03-02,settled,p1,49.90,e1,\n"
        + "wren,2026-03-02,settled,p2,1,e2,\n"
    )
    at = 2 + bool(middle)
    found = problems(tmp_path, text)
    assert [(each.line, each.column) for each in found] == [
        (2, "event_id"),
        (at + 1, "event_id"),
        (at + 2, "event_id"),
    ]
    told = [each.id for each in look(tmp_path, text).events()]
    assert told == [*(["e9"] if middle else []), "e2"]


def test_what_is_told_twice_in_other_words_contradicts_nothing(tmp_path: Path) -> None:
    text = (
        WITH_IDS
        + "wren,2026-03-02 10:00,settled,p1,1200,e1,2026-03-09\n"
        + 'wren,2026/3/2,paid,p1,"¥1,200.00",e1,2026-03-10\n'
    )
    assert [each.id for each in events(read(tmp_path, text))] == ["e1", "e1"]


def test_a_line_that_is_refused_anyway_contradicts_none(tmp_path: Path) -> None:
    text = WITH_IDS + "wren,2026-03-02,settled,p1,9,e1,\nwren,soon,settled,p1,8,e1,\n"
    assert [each.column for each in problems(tmp_path, text)] == ["happened_at"]


def test_bookings_of_a_snapshot_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    text = (
        STATES
        + "wren,2026-03-02 10:00,booked,b1\n"
        + "wren,2026-03-03 10:00,booked,b2\n"
        + "wren,2026/3/2,confirmed,b1\n"
        + "wren,2026-03-03 10:00,cancelled,b2\n"
    )
    found = problems(tmp_path, text, told_as="snapshot")
    assert [(each.line, each.column) for each in found] == [(3, "id"), (5, "id")]
    understood = look(tmp_path, text, told_as="snapshot")
    assert [each.booking_id for each in understood.bookings()] == ["b1"]


def ids(path: Path) -> Counter[str]:
    found: list[Problem] = []
    understood = understand(path, ORIGIN, Options(), found.append)
    assert found == []
    return Counter(each.id for each in understood.events())


def test_a_table_has_the_same_ids_as_csv_and_as_a_workbook(tmp_path: Path) -> None:
    as_csv = tmp_path / "my.csv"
    as_csv.write_text(
        HEADER
        + 'wren,2026/3/1 9:10,已付款,17,"¥1,200.00",CNY,\n'
        + "wren,2026/3/1 9:10,已付款,17,1200,CNY,\n"
        + "wren,2026/3/2 10:00,booked,0018,,,2026/3/4 18:00\n"
    )
    cells = HEADER.strip().split(",")
    at = datetime(2026, 3, 1, 9, 10, tzinfo=UTC)
    paid = ["wren", at, "settled", 17, 1200.0, "CNY"]
    booked = ["wren", datetime(2026, 3, 2, 10, tzinfo=UTC), "已预约", "0018", None, None]
    starts_at = datetime(2026, 3, 4, 18, tzinfo=UTC)
    as_book = workbook(tmp_path / "my.xlsx", {"a": [cells, paid, paid, [*booked, starts_at]]})
    assert ids(as_csv) == ids(as_book)
    assert set(ids(as_csv).values()) == {1}


def test_the_id_of_a_row_does_not_depend_on_the_zone_of_the_practice(tmp_path: Path) -> None:
    """A practice whose zone was mended tells no row anew."""
    path = tmp_path / "my.csv"
    path.write_text(HEADER + "wren,2026-03-01 09:10,settled,p1,9,,\n")
    elsewhere = ORIGIN.__class__(practice_id="harbour", zone="Asia/Tokyo", source="test")
    (here,) = understand(path, ORIGIN, Options()).events()
    (there,) = understand(path, elsewhere, Options()).events()
    assert here.id == there.id
    assert here.time != there.time
