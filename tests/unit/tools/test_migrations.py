"""Every revision after the first release leaves a schema on which the release before still runs,
and takes no lock for longer than a moment."""

import pytest

from rapport_runtime.migrations import Revision
from tools.lint import migrations
from tools.lint.migrations import FIRST_RELEASE, Fault, faults, faults_of

OLD_CODE = "release before"


@pytest.mark.parametrize("package", FIRST_RELEASE)
def test_old_and_new_code_run_side_by_side_on_each_revision(package: str) -> None:
    assert faults_of(package) == []


@pytest.mark.parametrize("package", FIRST_RELEASE)
def test_the_check_would_find_the_first_migrations_at_fault(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above does not pass because nothing is looked at."""
    monkeypatch.setattr(migrations, "FIRST_RELEASE", {package: "0001"})
    assert {fault.revision for fault in faults_of(package)} >= {"0002"}


def test_the_comment_before_a_statement_hides_nothing() -> None:
    running = "-- Running upgrade 0002 -> 0003\n\n"
    assert len(list(faults(f"{running}DROP TABLE note;"))) == 1
    made = "CREATE TABLE page (id int);\n\nREVOKE ALL ON page FROM rapport_api;"
    assert list(faults(running + made)) == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        pytest.param("DROP TABLE note", OLD_CODE, id="a table goes"),
        pytest.param("DROP VIEW note_day", OLD_CODE, id="a view goes"),
        pytest.param("DROP FUNCTION f", OLD_CODE, id="a function goes"),
        pytest.param("DROP POLICY p ON note", OLD_CODE, id="a policy goes"),
        pytest.param("ALTER TABLE note DROP COLUMN text", OLD_CODE, id="a column goes"),
        pytest.param("ALTER TABLE note DROP text", OLD_CODE, id="a column goes, short"),
        pytest.param("ALTER TABLE note ALTER text DROP DEFAULT", OLD_CODE, id="a default goes"),
        pytest.param("ALTER TABLE note RENAME COLUMN a TO b", OLD_CODE, id="a column's name"),
        pytest.param("ALTER TABLE note RENAME TO notes", OLD_CODE, id="a table's name"),
        pytest.param("ALTER TABLE note ALTER COLUMN a SET NOT NULL", OLD_CODE, id="null no more"),
        pytest.param("ALTER TABLE note ADD COLUMN a text NOT NULL", OLD_CODE, id="must be written"),
        pytest.param("ALTER TABLE note ADD a text NOT NULL", OLD_CODE, id="must be written, short"),
        pytest.param(
            "ALTER TABLE note ADD a text DEFAULT 'x', ADD b text NOT NULL",
            OLD_CODE,
            id="the second must be written",
        ),
        pytest.param(
            "ALTER TABLE note ADD CONSTRAINT c CHECK (a IN ('x', 'y')) NOT VALID",
            OLD_CODE,
            id="a narrower rule",
        ),
        pytest.param("REVOKE UPDATE ON note FROM rapport_api", OLD_CODE, id="a right goes"),
        pytest.param("TRUNCATE note", OLD_CODE, id="all rows go"),
        pytest.param("ALTER TABLE note ENABLE ROW LEVEL SECURITY", OLD_CODE, id="rows are hidden"),
    ],
)
def test_what_the_release_before_could_not_live_with_is_for_a_contraction(
    statement: str, why: str
) -> None:
    assert [why in told for _, told in faults(f"BEGIN;\n\n{statement};\n\nCOMMIT;")] == [True]
    assert list(faults(statement, contracts=True)) == []


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("CREATE INDEX i ON note (a)", id="an index"),
        pytest.param("CREATE UNIQUE INDEX i ON note (a)", id="a unique index"),
        pytest.param("DROP INDEX i", id="an index goes"),
        pytest.param("UPDATE note SET a = 1", id="rows are written"),
        pytest.param("DELETE FROM note", id="rows are deleted"),
        pytest.param("INSERT INTO note SELECT 1", id="rows are made"),
        pytest.param("LOCK TABLE note", id="a lock"),
        pytest.param("ALTER TABLE note ADD CONSTRAINT c CHECK (a > 0)", id="all rows are checked"),
        pytest.param(
            "ALTER TABLE note ADD CONSTRAINT c FOREIGN KEY (a, b) REFERENCES other (a, b)",
            id="all references are checked",
        ),
        pytest.param("ALTER TABLE note ADD CONSTRAINT c UNIQUE (a)", id="an index by a constraint"),
        pytest.param("ALTER TABLE note ADD CHECK (a > 0)", id="a rule without a name"),
        pytest.param("ALTER TABLE note ADD a text REFERENCES other", id="a column that refers"),
        pytest.param(
            "ALTER TABLE note ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY", id="a number each"
        ),
        pytest.param("ALTER TABLE note ADD a uuid DEFAULT gen_random_uuid()", id="a value each"),
        pytest.param("ALTER TABLE note ALTER COLUMN a TYPE bigint", id="another type"),
        pytest.param("ALTER TABLE note ADD a int; ALTER TABLE other ADD a int", id="two tables"),
        pytest.param("CREATE INDEX CONCURRENTLY i ON note (a); CREATE TABLE t ()", id="no undo"),
    ],
)
def test_what_holds_a_table_for_long_is_for_no_revision(statement: str) -> None:
    assert list(faults(statement, contracts=True))
    assert list(faults(statement))


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param("ALTER TABLE note ADD COLUMN a text", id="a column that may be null"),
        pytest.param(
            "ALTER TABLE note ADD COLUMN a text DEFAULT 'NOT, NULL' NOT NULL, ADD b int",
            id="a column with a default",
        ),
        pytest.param("ALTER TABLE note ALTER COLUMN a DROP NOT NULL", id="null as well"),
        pytest.param("ALTER TABLE note DROP CONSTRAINT c", id="a rule less"),
        pytest.param("ALTER TABLE note VALIDATE CONSTRAINT c", id="a rule is checked"),
        pytest.param("GRANT SELECT ON note TO rapport_api", id="a right more"),
        pytest.param(
            "SET lock_timeout = '10min'; CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON note (a);"
            "RESET lock_timeout; UPDATE alembic_version SET version_num='0009'",
            id="an index made concurrently",
        ),
        pytest.param(
            "CREATE TABLE new (a text NOT NULL, CHECK (a <> ';'));CREATE INDEX i ON new (a);"
            "ALTER TABLE new ENABLE ROW LEVEL SECURITY;REVOKE ALL ON new FROM rapport_api;"
            "INSERT INTO new VALUES ('x');ALTER TABLE new ADD CONSTRAINT c UNIQUE (a)",
            id="whatever is done to a new table",
        ),
        pytest.param(
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM note; DROP TABLE a $$",
            id="what a function would do",
        ),
        pytest.param("COMMENT ON TABLE note IS 'it''s; DROP TABLE note'", id="words"),
    ],
)
def test_what_old_and_new_can_share_passes(statements: str) -> None:
    assert list(faults(statements)) == []


def test_a_contraction_names_a_revision_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [("0001", None), ("0002", None), ("0003", "0002"), ("0004", "0005")]
    monkeypatch.setattr(migrations, "FIRST_RELEASE", {"toy": "0001"})
    monkeypatch.setattr(
        migrations,
        "revisions",
        lambda _: [Revision(name, of) for name, of in names],
    )
    monkeypatch.setattr(migrations, "revisions_sql", lambda *_: "DROP TABLE note")
    assert faults_of("toy") == [
        Fault("0002", "DROP TABLE note", "the release before may use it"),
        Fault("0004", "contract_of = '0005'", "no revision before it"),
    ]
