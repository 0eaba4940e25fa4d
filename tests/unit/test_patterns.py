"""No pattern lets a last line break pass: in Python `$` stands before one as well as at the end.

Pydantic's patterns are of Rust, where `$` is the end alone; msgspec's are Python's.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.inspect import Field, StrType, Type, type_info
from pydantic import StringConstraints, TypeAdapter, ValidationError

from rapport_contracts.catalogue import CANONICAL

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("libs/*/src/**/*.py")) + sorted(ROOT.glob("services/*/src/**/*.py"))
ESCAPED_OR_CLASS = re.compile(r"\\.|\[(?:\\.|[^\]])*\]", re.DOTALL)
LOOSE = frozenset({"match", "search", "finditer", "findall"})


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """Each call `owner.name(...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield owner.id if isinstance(owner, ast.Name) else "", node.func.attr, node


def has_loose_end(pattern: object) -> bool:
    text = pattern.decode() if isinstance(pattern, bytes) else str(pattern)
    return "$" in ESCAPED_OR_CLASS.sub("", text)


def loosely_used(path: Path) -> Iterator[str]:
    """The patterns of a module that look for `$` without being matched whole."""
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    used = {owner for owner, name, _ in calls(tree) if name in LOOSE}
    for node in ast.iter_child_nodes(tree):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for target in targets:
            if isinstance(target, ast.Name) and target.id in used:
                module = ".".join(path.with_suffix("").parts[path.parts.index("src") + 1 :])
                found = getattr(importlib.import_module(module), target.id)
                if isinstance(found, re.Pattern) and has_loose_end(found.pattern):
                    yield f"{path.name}: {target.id}"
    for owner, name, call in calls(tree):
        text = ast.unparse(call.args[0]) if call.args else ""
        if owner == "re" and name in LOOSE and has_loose_end(text):
            yield f"{path.name}: {text}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_no_pattern_of_python_passes_a_last_line_break(path: Path) -> None:
    assert list(loosely_used(path)) == []


def string_types(shape: Any, seen: set[int]) -> Iterator[StrType]:
    """The types of texts within a type of msgspec."""
    if isinstance(shape, StrType):
        yield shape
    if isinstance(shape, tuple | list):
        for each in shape:
            yield from string_types(each, seen)
    elif isinstance(shape, Type | Field) and id(shape) not in seen:
        seen.add(id(shape))
        for name in shape.__struct_fields__:
            yield from string_types(getattr(shape, name), seen)


PATTERNS = {
    (each.pattern, each.max_length)
    for topic in CANONICAL.values()
    for event in topic.values()
    for each in string_types(type_info(event), set())
    if each.pattern is not None
}


@given(st.data())
@pytest.mark.parametrize(("pattern", "longest"), sorted(PATTERNS, key=str))
def test_no_pattern_of_msgspec_passes_a_last_line_break(
    pattern: str, longest: int | None, data: st.DataObject
) -> None:
    """It is searched as Python's: only the longest length refuses what follows `$`."""
    text = data.draw(st.from_regex(pattern, fullmatch=True)).rstrip("\n")
    read = Annotated[str, msgspec.Meta(pattern=pattern, max_length=longest)]
    assert msgspec.convert(text, read) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text + "\n", read)


def test_a_pattern_of_pydantic_ends_at_the_end() -> None:
    read = TypeAdapter(Annotated[str, StringConstraints(pattern="^[a-z]*$")]).validate_python
    assert read("a") == "a"
    with pytest.raises(ValidationError):
        read("a\n")
