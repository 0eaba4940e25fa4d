"""For migrations: grants, and row-level security by practice.

Released migrations call these functions, so the statements that they make never change.
"""

import re
from collections.abc import Iterable
from typing import Protocol

WORKER_ROLE = "rapport_worker"
API_ROLE = "rapport_api"
PURGE_ROLE = "rapport_purge"
"""Removes what has outlived its term, and is the only role that may (ADR 29)."""
_EVERYTHING = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_OF_PRACTICE = "practice_id = current_setting('rapport.practice_id', true)"
_OPERATOR = "current_setting('rapport.operator', true) = 'on'"


class Migration(Protocol):
    """The part of the module `alembic.op` that is used here."""

    def execute(self, sqltext: str, /) -> None:
        """Run one statement."""


def row_level_security(
    op: Migration,
    table: str,
    *,
    api_may: Iterable[str] = ("SELECT",),
    operator_sees: bool = False,
    worker_role: str = WORKER_ROLE,
    api_role: str = API_ROLE,
) -> None:
    """Guard `table` (which has a text column `practice_id`) and grant it to both roles.

    The worker's role sees all rows: a batch spans practices. The API's role sees the rows of the
    practice that its transaction named (`Database.transaction(practice_id)`), and, where
    `operator_sees`, all rows in an operator's transaction. FORCE includes the table's owner, who
    has no policy: migrations create and alter, they cannot read or fill a guarded table.
    Postgres refuses COPY into a guarded table (0A000): write arrays by `unnest`.
    """
    name = _checked(table)
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {name}_worker ON {name} TO {_checked(worker_role)}"
        " USING (true) WITH CHECK (true)"
    )
    # Not by OR: the planner would think that it leaves next to nothing, and read a page's table
    # whole to sort it. Of a CASE it thinks that half is left.
    either = f"CASE WHEN {_OPERATOR} THEN true ELSE {_OF_PRACTICE} END"
    sees = either if operator_sees else _OF_PRACTICE
    op.execute(
        f"CREATE POLICY {name}_api ON {name} TO {_checked(api_role)}"
        f" USING ({sees}) WITH CHECK ({sees})"
    )
    grant(op, name, role=worker_role, may=_EVERYTHING)
    grant(op, name, role=api_role, may=api_may)


def append_only(op: Migration, table: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE of `table` for every role."""
    name = _checked(table)
    op.execute(f"""
        CREATE FUNCTION {name}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{name} is append-only' USING ERRCODE = 'restrict_violation'; END
        $$
    """)
    op.execute(f"""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}
        FOR EACH STATEMENT EXECUTE FUNCTION {name}_is_append_only()
    """)


def open_to_purge(
    op: Migration,
    table: str,
    *,
    sees: Iterable[str],
    clears: Iterable[str] = (),
    only: str = "true",
) -> None:
    """Let the purge's role find rows of a guarded table by the columns that it `sees`, and delete
    those for which `only`, an SQL condition, holds; or, with `clears`, do nothing but set these
    columns to null."""
    name, shown, cleared = _checked(table), _columns(sees), _columns(clears)
    may = f"UPDATE ({cleared})" if cleared else "DELETE"
    op.execute(f"REVOKE ALL ON {name} FROM {PURGE_ROLE}")
    op.execute(f"GRANT SELECT ({shown}), {may} ON {name} TO {PURGE_ROLE}")
    op.execute(f"CREATE POLICY {name}_purge_sees ON {name} FOR SELECT TO {PURGE_ROLE} USING (true)")
    how, check = (
        ("UPDATE", f" WITH CHECK (num_nonnulls({cleared}) = 0)") if cleared else ("DELETE", "")
    )
    op.execute(
        f"CREATE POLICY {name}_purge ON {name} FOR {how} TO {PURGE_ROLE} USING ({only}){check}"
    )


def grant(op: Migration, table: str, *, role: str, may: Iterable[str] = ("SELECT",)) -> None:
    """Give `role` exactly the privileges in `may`: SELECT, INSERT, UPDATE, DELETE.

    Those that the role had before, by default privileges for example, are revoked first.
    """
    privileges = set(may)
    if not privileges <= set(_EVERYTHING):
        raise ValueError(f"may lists some of {', '.join(_EVERYTHING)}")
    name, holder = _checked(table), _checked(role)
    op.execute(f"REVOKE ALL ON {name} FROM {holder}")
    if privileges:
        op.execute(f"GRANT {', '.join(sorted(privileges))} ON {name} TO {holder}")


def _columns(names: Iterable[str]) -> str:
    return ", ".join(map(_checked, names))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a plain lower-case name: {name!r}")
    return name
