"""Classes of retention as data: which tables, for how long, and what stays."""

from collections import Counter
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rapport_runtime.settings import SettingsError

FILE = "retention.json"
_SHORTEST = timedelta(days=7)


class RetentionClass(BaseModel):
    """Tables whose rows live equally long. `term` is how long after their end (ISO 8601, days);
    null: until what they belong to ends. `stays` says what no purge removes, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(alias="class", pattern=r"^[a-z][a-z-]{0,62}$")
    tables: tuple[str, ...] = Field(min_length=1)
    term: Annotated[timedelta, Field(ge=_SHORTEST)] | None
    stays: str = Field(min_length=1)


_READER = TypeAdapter(tuple[RetentionClass, ...])


def built_in(package: str) -> bytes:
    """The classes that come with a service, as JSON."""
    return (resources.files(package) / FILE).read_bytes()


def read_classes(package: str, path: Path | None = None) -> tuple[RetentionClass, ...]:
    """The classes of a service: those of the file at `path`, else the built-in ones.

    A deployment's own file may give other terms to the same classes, with the same tables, and
    may not give one to a class that has none. Raises SettingsError.
    """
    own = _parsed(built_in(package), package)
    if path is None:
        return own
    given = _parsed(path.read_bytes(), str(path))
    if _shape(given) != _shape(own):
        raise SettingsError(
            f"{path} must have the classes and tables of {package}'s {FILE}, and a term where that"
            " has one"
        )
    return given


def _parsed(text: bytes, name: str) -> tuple[RetentionClass, ...]:
    try:
        classes = _READER.validate_json(text)
    except ValidationError as error:
        raise SettingsError(f"{name} cannot be used: {error}") from None
    tables = Counter(table for each in classes for table in each.tables)
    twice = sorted(table for table, count in tables.items() if count > 1)
    if twice:
        raise SettingsError(f"{name} names tables twice: {', '.join(twice)}")
    return classes


def _shape(classes: tuple[RetentionClass, ...]) -> dict[str, tuple[tuple[str, ...], bool]]:
    return {each.name: (tuple(sorted(each.tables)), each.term is None) for each in classes}
