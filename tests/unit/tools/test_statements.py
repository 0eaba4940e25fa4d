"""The check that statements go one way: what it finds, what it lets pass."""

from pathlib import Path

import pytest

from tools.lint.statements import other_ways, outside_the_one_way


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        pytest.param('import sqlalchemy as sa\nA = sa.text("SELECT 1")', [2], id="of the module"),
        pytest.param('import sqlalchemy\nA = sqlalchemy.text("SELECT 1")', [2], id="in full"),
        pytest.param('from sqlalchemy import text\nA = text("SELECT 1")', [2], id="imported"),
        pytest.param('from sqlalchemy.sql import text as t\nA = t("x")', [2], id="renamed"),
        pytest.param('def f(tx):\n    tx.exec_driver_sql("SELECT 1")', [2], id="as a string"),
        pytest.param("rows = 1\na = [Client(*row) for row in rows]", [2], id="row by position"),
        pytest.param("B = Other._fields\na = ports._Client(*row)", [2], id="of another class"),
    ],
)
def test_a_statement_that_goes_another_way_is_found(source: str, lines: list[int]) -> None:
    assert other_ways(source) == lines


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('rows = fetch(tx, "SELECT 1")', id="the one way"),
        pytest.param('import sqlalchemy as sa\nsa.Index("a", where=sa.text("b"))', id="the schema"),
        pytest.param('def text():\n    ...\ntext()\nfile.text("x")', id="another text"),
        pytest.param(
            "C = ', '.join(Client._fields)\nClient(*row)", id="columns made of the fields"
        ),
        pytest.param("append(*rows)\nClient(row.a, *row.rest)", id="another call"),
    ],
)
def test_what_goes_the_one_way_or_belongs_to_the_schema_passes(source: str) -> None:
    assert other_ways(source) == []


def test_members_are_searched_but_not_their_migrations(tmp_path: Path) -> None:
    source = 'from sqlalchemy import text\nA = text("SELECT 1")\n'
    package = tmp_path / "services" / "toy-service" / "src" / "toy_service"
    for folder in (package / "store", package / "store" / "migrations" / "versions"):
        folder.mkdir(parents=True)
        (folder / "one.py").write_text(source)
    found = outside_the_one_way(tmp_path)
    assert found == ["services/toy-service/src/toy_service/store/one.py:2"]
