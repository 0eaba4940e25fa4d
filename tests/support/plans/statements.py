"""The SQL of the services: found in their modules, so that nobody needs to list a new statement.

A statement is a constant of a module, or stands in one that is a mapping. One that a function puts
together is found by `put_together`, and must be named in `COMPOSED` with what it can become.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import NamedTuple

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "ingestion": ("ingestion_service", "rapport_runtime"),
    "scoring": ("scoring_service", "rapport_runtime"),
    "outreach": ("outreach_service", "rapport_runtime"),
}
"""Service -> the packages whose statements run in its database."""

_NOT_AT_RUN_TIME = re.compile(r"\.(migrations|schema|alembic_env)(\.|$)|\.__main__$|row_security")
_VERB = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\s", re.IGNORECASE)
_ONE_PRACTICE = re.compile(r"%\(practice_id\)[sb](?!::text\[\])")
_WAYS = frozenset({"fetch", "fetch_one", "fetch_value", "execute", "execute_many", "PracticeQuery"})


class Statement(NamedTuple):
    """A statement, and where it stands: module and name."""

    place: str
    text: str

    @property
    def is_of_one_practice(self) -> bool:
        """Whether it speaks for the one practice that its parameter names."""
        return bool(_ONE_PRACTICE.search(self.text))


def statements(service: str) -> list[Statement]:
    """All statements that run in a service's database, each once."""
    found: dict[str, Statement] = {}
    for module in _modules(PACKAGES[service]):
        for name, value in vars(module).items():
            for text in _texts(value):
                if _VERB.match(text):
                    found.setdefault(text, Statement(f"{module.__name__}.{name}", text))
    return [each for each in found.values() if not _is_begun(each.text, found)]


def _is_begun(text: str, others: Collection[str]) -> bool:
    """Whether another statement begins with this one, which then is a part of it."""
    return any(other != text and other.startswith(text) for other in others)


def put_together(service: str) -> list[str]:
    """The functions (`module.function`) that run a statement which is no constant of a module."""
    return [
        f"{module.__name__}.{name}"
        for module in _modules(PACKAGES[service])
        for name in composing(ast.parse(inspect.getsource(module)))
    ]


def _modules(packages: tuple[str, ...]) -> Iterator[ModuleType]:
    for package in map(importlib.import_module, packages):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not _NOT_AT_RUN_TIME.search(info.name):
                yield importlib.import_module(info.name)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (each for each in value.values() if isinstance(each, str))
    elif isinstance(value, tuple | list):
        yield from (each for each in value if isinstance(each, str))


def composing(tree: ast.Module) -> Iterator[str]:
    """Functions in which a statement is a sum, an f-string or a call, written in place or kept in a
    variable. A parameter that is handed on is its caller's."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        made = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _is_made(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in _WAYS:
                wanted = call.args[1:2]
                if any(
                    _is_made(arg) or (isinstance(arg, ast.Name) and arg.id in made)
                    for arg in wanted
                ):
                    yield function.name
                    break


def _is_made(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp | ast.JoinedStr | ast.Call)
