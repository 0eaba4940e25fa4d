"""SQL has one way to the database and back: the functions of `rapport_runtime.database`.

SQLAlchemy's `text()` and `exec_driver_sql()` are for migrations, and for expressions in the schema
(a keyword argument, such as `server_default=sa.text("now()")`). Rows are read by name. A row may
fill a class by position, as in `Client(*row)`, only where the module makes the statement's columns
of `Client._fields`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

MEMBERS = ("libs", "services")
MIGRATIONS = frozenset({"migrations", "migrations.py", "alembic_env"})
"""A folder or file of this name holds what Alembic runs."""


def outside_the_one_way(root: Path) -> list[str]:
    """`path:line` of each statement in a member's code that goes another way."""
    return [
        f"{path.relative_to(root).as_posix()}:{line}"
        for member in MEMBERS
        for path in sorted((root / member).glob("*/src/**/*.py"))
        if MIGRATIONS.isdisjoint(path.parts)
        for line in other_ways(path.read_text("utf-8"))
    ]


def other_ways(source: str) -> list[int]:
    """The lines of a module that make a statement by `text()`, run one by `exec_driver_sql()`, or
    read a row by position."""
    tree = ast.parse(source)
    in_schema = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    names = frozenset(_names_of_text(tree))
    made_of_fields = frozenset(_classes_with_fields_in_use(tree))
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            _fills_by_position(node, made_of_fields)
            or (
                id(node) not in in_schema
                and (ast.unparse(node.func) in names or _runs_a_string(node.func))
            )
        )
    )


def _names_of_text(tree: ast.Module) -> Iterator[str]:
    """What SQLAlchemy's `text` is called in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "sqlalchemy":
                    yield f"{alias.asname or alias.name}.text"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            for alias in node.names:
                if alias.name == "text":
                    yield alias.asname or alias.name


def _runs_a_string(called: ast.expr) -> bool:
    return isinstance(called, ast.Attribute) and called.attr == "exec_driver_sql"


def _fills_by_position(call: ast.Call, allowed: frozenset[str]) -> bool:
    """Whether the call is `X(*row)` for a class `X` that is not in `allowed`."""
    called = ast.unparse(call.func)
    is_class = called.rpartition(".")[2].lstrip("_")[:1].isupper()
    is_row = len(call.args) == 1 and isinstance(call.args[0], ast.Starred)
    return is_class and is_row and called not in allowed


def _classes_with_fields_in_use(tree: ast.Module) -> Iterator[str]:
    """The names of the classes whose `_fields` a module reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "_fields":
            yield ast.unparse(node.value)
