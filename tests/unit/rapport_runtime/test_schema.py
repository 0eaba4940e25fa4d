"""What a released migration does never changes: the frozen files and the helpers' statements."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rapport_runtime import schema
from rapport_runtime.row_security import append_only, grant, row_level_security

FROZEN = {
    "tables_v1.py": "d633a4afe47689d273a10ef73f128eb196b61e4463ea5b2798108b74664cbd2e",
    "tables_v2.py": "a2a436fbaf914eac181b80f2c01620185058df38a494cca3c630f2cce40c56f8",
}
STATEMENTS = "2781e846fee50745a8d135a465fd0733ae915e796be517912425d41a6e8509de"


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
    assert {path.name for path in folder.glob("tables_v*.py")} == set(FROZEN)


def test_the_statements_that_released_migrations_get_from_row_security_stay() -> None:
    op = Recorded()
    row_level_security(op, "one", api_may=("SELECT", "INSERT"))
    row_level_security(op, "two", operator_sees=True)
    append_only(op, "three")
    grant(op, "four", role="rapport_api", may=())
    text = "\n".join(op.statements)
    assert hashlib.sha256(text.encode()).hexdigest() == STATEMENTS, text
