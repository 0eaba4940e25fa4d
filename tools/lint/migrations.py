"""Old and new processes run side by side on one schema, and nobody waits long for a migration.

Looks at the SQL of each revision that came after the first release. A revision expands: the code of
the release before runs on the schema that it leaves. One that takes something away contracts, says
so (`contract_of = "0004"`: the revision that made it unused), and comes a release later (ADR 39).
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from rapport_runtime.migrations import revisions, revisions_sql

FIRST_RELEASE: Mapping[str, str] = MappingProxyType(
    {"ingestion_service": "0002", "scoring_service": "0003", "outreach_service": "0002"}
)
"""Package -> the last of the revisions that made its first schema, on which nothing ran before."""

_NOT_LOOKED_INTO = re.compile(r"\$\$.*?\$\$|'(?:[^']|'')*'|--[^\n]*", re.DOTALL)
_OF_ALEMBIC = re.compile(
    r"^(BEGIN|COMMIT|(SET|RESET) lock_timeout.*|.*\balembic_version\b.*)$", re.I
)
_MADE = re.compile(r"^CREATE (?:TABLE|VIEW) (?:IF NOT EXISTS )?([\w.]+)", re.I)
_SUBJECT = re.compile(
    r"^(?:ALTER TABLE (?:IF EXISTS )?(?:ONLY )?|UPDATE (?:ONLY )?|DELETE FROM |INSERT INTO "
    r"|TRUNCATE (?:TABLE )?|LOCK (?:TABLE )?|REVOKE .*? ON (?:TABLE )?"
    r"|CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?)([\w.]+)",
    re.I,
)
_ALTER = re.compile(r"^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?[\w.]+ ", re.I)
_TOP_LEVEL_COMMA = re.compile(r",\s*(?![^()]*\))")
_A_COLUMN = r"^ALTER TABLE .*?\bADD (?!(CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY|EXCLUDE)\b)"

_A_VALUE_EACH = r"\bGENERATED\b|serial\b|\b(clock_timestamp|random|nextval|gen_random_uuid)\b"

_EVER: Mapping[str, str] = MappingProxyType(
    {
        r"^CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "stops every writer while it is made:"
        " concurrent_indexes.create_index",
        r"^DROP INDEX (?!CONCURRENTLY)": "waits, with everybody behind it:"
        " concurrent_indexes.drop_index",
        r"^(UPDATE|DELETE FROM|INSERT INTO) ": "rows are the work of the service, page by page",
        r"^LOCK ": "locks a table",
        r"\bADD CONSTRAINT \w+ (CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID$)": "reads the whole table"
        " under its lock: NOT VALID, and VALIDATE CONSTRAINT in the next revision",
        r"\bADD CONSTRAINT \w+ (UNIQUE|PRIMARY KEY|EXCLUDE)\b(?!.*\bUSING INDEX\b)": "makes an"
        " index under its lock: concurrent_indexes.create_index, then USING INDEX",
        r"\bADD (CHECK|FOREIGN KEY|UNIQUE|PRIMARY KEY|EXCLUDE)\b": "needs a name",
        rf"{_A_COLUMN}.*\b(CHECK|REFERENCES|UNIQUE|PRIMARY KEY)\b": "a constraint of its own",
        f"{_A_COLUMN}.*({_A_VALUE_EACH})": "rewrites the table",
        r"\bALTER( COLUMN)? \w+ (SET DATA )?TYPE\b": "rewrites the table: a new column",
    }
)
"""Forbidden on a table that is in use, whatever the revision is for -> why, or what to do."""
_WHILE_OLD_CODE_RUNS: Mapping[str, str] = MappingProxyType(
    {
        r"^DROP (?!INDEX)|^ALTER TABLE .*\bDROP (?!CONSTRAINT|NOT NULL)": "the release before may"
        " use it",
        r"\bRENAME\b": "the release before knows the old name only",
        r"\bSET NOT NULL\b": "the release before may write null",
        _A_COLUMN + r"(?!.*\bDEFAULT\b).*\bNOT NULL\b": "the release before does not write it",
        r"\bADD CONSTRAINT\b": "the release before may write what it refuses",
        r"^REVOKE ": "the release before may need the right",
        r"^TRUNCATE ": "the release before may need the rows",
        r"\b(ENABLE|FORCE) ROW LEVEL SECURITY\b": "hides rows from the release before",
    }
)
"""Forbidden on what was there before, unless the revision contracts -> why."""


class Fault(NamedTuple):
    """What of a revision may not be in it, and why."""

    revision: str
    statement: str
    why: str


def faults_of(package: str) -> list[Fault]:
    """What is wrong with the package's revisions after those of its first release."""
    found: list[Fault] = []
    known: list[str] = []
    for before, (name, contract_of) in pairwise(revisions(package)):
        known.append(before.name)
        if FIRST_RELEASE[package] not in known:
            continue
        if contract_of is not None and contract_of not in known:
            found.append(Fault(name, f"contract_of = {contract_of!r}", "no revision before it"))
        sql = revisions_sql(package, f"{before.name}:{name}")
        found += [Fault(name, *each) for each in faults(sql, contracts=contract_of is not None)]
    return found


def faults(sql: str, *, contracts: bool = False) -> Iterator[tuple[str, str]]:
    """Each statement of a revision's SQL that is at fault, and why.

    Tables that the revision itself makes are nobody's yet: on them everything is allowed.
    """
    statements = _statements(sql)
    made = {found[1] for found in map(_MADE.match, statements) if found}
    on_existing = [each for each in statements if _subject(each) not in made]
    rules = _EVER if contracts else {**_EVER, **_WHILE_OLD_CODE_RUNS}
    for statement in on_existing:
        for action in _actions(statement):
            for pattern, why in rules.items():
                if re.search(pattern, action, re.I):
                    yield action, why
    altered = {_subject(each) for each in on_existing if _ALTER.match(each)}
    if len(altered) > 1:
        yield ", ".join(sorted(map(str, altered))), "one is held while the next is waited for"
    concurrent = [each for each in statements if " CONCURRENTLY " in each.upper()]
    if concurrent and len(concurrent) < len(statements):
        yield concurrent[0], "runs outside a transaction: in a revision of its own"


def _statements(sql: str) -> list[str]:
    """The statements, a line each, without Alembic's own, comments, and what is quoted."""
    looked_into = _NOT_LOOKED_INTO.sub(lambda found: "" if found[0][0] == "-" else "''", sql)
    plain = (" ".join(each.split()) for each in looked_into.split(";"))
    return [each for each in plain if each and not _OF_ALEMBIC.match(each)]


def _actions(statement: str) -> list[str]:
    """The actions of an ALTER TABLE, each as a statement; any other statement as it is."""
    head = _ALTER.match(statement)
    if head is None:
        return [statement]
    return [head[0] + action for action in _TOP_LEVEL_COMMA.split(statement[head.end() :])]


def _subject(statement: str) -> str | None:
    """The table on which the statement works, where it is one on a table."""
    found = _SUBJECT.match(statement)
    return found[1] if found else None
