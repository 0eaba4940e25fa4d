"""What a released migration does never changes: the frozen files and the helpers' statements."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rapport_runtime import schema
from rapport_runtime.row_security import append_only, grant, open_to_purge, row_level_security

FROZEN = {
    "letters.py": "8a8f2b7ff1f2c2160cdae6ff0f26cccc2d3eb0055caf7f9fe88ba660df3e8909",
    "purging.py": "b90dc39750494a4d6e3aaa4f593160c01e09f592abaf184cbae2907ec2a2afb8",
    "tables_v1.py": "51e608555004cae910fb967804a31e391f068d29b0fe6bf141bf61a6b30795a9",
    "tables_v2.py": "298ce608f49211e6aa398404b1182ec799ed9ef49598b5a60eb9b2a16a873c46",
}
STATEMENTS = "ae4e68b45c7c19fbf9421b97a133c30ca7d5ff1946a3a250b3a3b6c84ed967d1"


@dataclass
class Recorded:
    """A migration that only records its statements."""

    statements: list[str] = field(default_factory=list)

    def execute(self, sqltext: str, /) -> None:
        self.statements.append(" ".join(sqltext.split()))


@pytest.mark.parametrize("name", FROZEN)
def test_a_released_version_of_the_runtime_tables_is_never_edited(name: str) -> None:
    """To change the runtime tables, add the next version instead."""
    text = (Path(str(schema.__file__)).parent / name).read_bytes()
    assert hashlib.sha256(text).hexdigest() == FROZEN[name]


def test_every_released_version_is_frozen() -> None:
    folder = Path(str(schema.__file__)).parent
    made = {path.name for path in folder.glob("*.py")} - {"__init__.py", "metadata.py"}
    assert made == set(FROZEN)


def test_the_statements_that_released_migrations_get_from_row_security_stay() -> None:
    op = Recorded()
    row_level_security(op, "one", api_may=("SELECT", "INSERT"))
    row_level_security(op, "two", operator_sees=True)
    append_only(op, "three")
    grant(op, "four", role="rapport_api", may=())
    open_to_purge(op, "five", sees=("id", "at"))
    open_to_purge(op, "six", sees=("id",), clears=("body",))
    text = "\n".join(op.statements)
    assert hashlib.sha256(text.encode()).hexdigest() == STATEMENTS, text
