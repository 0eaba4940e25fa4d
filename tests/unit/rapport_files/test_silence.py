"""Reports and previews repeat no cell, and no header that means nothing to us."""

import json
from pathlib import Path

import pytest

from rapport_files.options import Options
from rapport_files.problems import ErrorFile, Problem
from rapport_files.understanding import understand
from tests.unit.rapport_files.saved_files import ORIGIN
from tests.unit.rapport_files.workbooks import workbook

SECRETS = {
    "姓名": "secret-name",
    "client_id": "secret-client",
    "happened_at": "secret-time",
    "event": "secret-event",
    "id": "secret-id\x07",
    "amount": "secret-amount",
    "currency": "secret-currency",
    "starts_at": "secret-start",
    "event_id": "secret-event-id",
    "secret-header": "secret-note",
}
GOOD = {
    "client_id": "secret-client",
    "happened_at": "2026-03-02",
    "event": "settled",
    "id": "secret-id",
    "amount": "300/1",
    "secret-header": "secret-note",
}


def files(folder: Path) -> list[Path]:
    """Files in which every cell is damaged, one after the other and all at once."""
    rows = [SECRETS, GOOD, *({**GOOD, name: SECRETS[name]} for name in SECRETS)]
    rows += [{**GOOD, name: ""} for name in GOOD]
    header = list(SECRETS)
    cells = [[row.get(name, "") for name in header] for row in rows]
    lines = [",".join(row) for row in [header, *cells]]
    made = {
        "my.csv": "\n".join(lines).encode(),
        "headless.csv": "\n".join(lines[1:]).encode(),
        "open.csv": "\n".join([*lines, '"secret']).encode(),
        "wide.csv": "\n".join([*lines, "secret," * 20]).encode(),
        "chinese.csv": "\n".join([*lines, "王某一,secret"]).encode("gb18030"),
        "broken.csv": b"\n".join([*(line.encode() for line in lines), b"secret\xff"]),
        "my.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "broken.jsonl": ("\n".join(map(json.dumps, rows)) + "\nsecret {").encode(),
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    plain = [[cell.replace("\x07", "") for cell in row] for row in cells]
    book = workbook(folder / "my.xlsx", {"secret-sheet": [header, *plain], "secret": [header]})
    return [*(folder / name for name in made), book]


@pytest.mark.parametrize("told_as", ["events", "snapshot"])
def test_no_word_of_a_file_is_told(tmp_path: Path, told_as: str) -> None:
    for path in files(tmp_path):
        report = tmp_path / "errors.csv"
        with ErrorFile(report) as errors:
            understood = understand(path, ORIGIN, Options(answers={"told_as": told_as}), errors.add)
        told = [*understood.preview.by(), *understood.refusals.by()]
        told += [question.by() for question in understood.questions]
        text = "\n".join([*told, report.read_text("utf-8-sig")])
        assert understood.refusals.count > 0
        for word in ("secret", "姓名", "王某"):
            assert word not in text, path.name


def test_the_file_of_errors_opens_in_a_spreadsheet(tmp_path: Path) -> None:
    found: list[Problem] = []
    report = tmp_path / "errors.csv"
    with ErrorFile(report) as errors:
        assert not report.exists()
        for path in files(tmp_path)[:1]:
            understand(path, ORIGIN, Options(), errors.add)
            understand(path, ORIGIN, Options(), found.append)
    content = report.read_bytes()
    assert content.startswith("\ufeffline,column,reason,way out\r\n".encode())
    assert content.count(b"\r\n") == len(found) + 1
