"""API keys on a real Postgres: made, rotated, revoked, listed and verified as each role."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import Principal, new_key
from rapport_runtime.http.fast.remembered_keys import REMEMBERED_SECONDS, RememberedKeys
from rapport_runtime.http.problems import Unavailable
from rapport_runtime.ops import audit, key_cli, keys
from rapport_runtime.ops.shared_keys import KeyLog, merge_key

pytestmark = pytest.mark.integration


class Known(NamedTuple):
    """A scope of the toy's API."""

    name: str
    holder: str
    permits: str = "do something"


SCOPES = [
    *(Known(name, "practice") for name in ("a:read", "b:read")),
    Known("status:read", "operator"),
]


class _Clock:
    """A monotonic clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """The seconds so far."""
        return self.now


def _cli(toy: ServiceDatabase, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert key_cli.cli(lambda: toy.owner_url, SCOPES, argv) == 0
    return capsys.readouterr().out


def test_a_key_holds_until_it_is_revoked(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "b:read, a:read").strip()
    clock = _Clock()
    verifier = RememberedKeys(keys.ApiKeys(api), clock)
    key_id = raw.split("_")[1]
    expected = Principal(key_id, "north", frozenset({"a:read", "b:read"}))
    assert verifier.verify(raw) == expected
    assert f"revoked {key_id}" in _cli(toy, capsys, "revoke", key_id)
    assert verifier.recall(raw) == expected  # remembered
    clock.now = REMEMBERED_SECONDS
    assert verifier.verify(raw) is None
    assert key_cli.cli(lambda: toy.owner_url, SCOPES, ["revoke", key_id]) == 2


def test_wrong_keys_do_not_hold(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--operator", "--scopes", "status:read").strip()
    verifier = keys.ApiKeys(api)
    holder = verifier.verify(raw)
    assert holder is not None
    assert holder.practice_id is None
    prefix, key_id, secret = raw.split("_", 2)
    other_secret = ("A" if secret[0] != "A" else "B") + secret[1:]
    assert verifier.verify(f"{prefix}_{key_id}_{other_secret}") is None
    assert verifier.verify(f"{prefix}_{'0' * 16}_{secret}") is None
    assert verifier.verify(f"{prefix}_{'0' * 16}_{'A' * 43}") is None
    assert verifier.verify("") is None


def test_an_expired_key_does_not_hold(
    toy: ServiceDatabase, api: Database, open_database: Callable[[str], Database]
) -> None:
    owner = open_database(toy.owner_url)
    made = {}
    with owner.transaction() as connection:
        for days in (-1, 1):
            made[days] = keys.create_key(
                connection,
                practice_id="north",
                scopes=["a:read"],
                valid_for=timedelta(days=days),
            )
    verifier = keys.ApiKeys(api)
    assert verifier.verify(made[-1]) is None
    assert verifier.verify(made[1]) is not None


def test_the_list_shows_no_secret_and_the_table_holds_none(
    toy: ServiceDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "a:read", "--days", "9")
    secret = raw.strip().split("_", 2)[2]
    listed = _cli(toy, capsys, "list")
    assert listed.split("\t")[:3] == [raw.split("_")[1], "north", "a:read"]
    assert "expires" in listed
    assert secret not in listed
    with psycopg.connect(toy.owner_url) as owner:
        stored = owner.execute("select api_key::text from api_key").fetchall()
    assert secret not in str(stored)
    assert secret.encode().hex() not in str(stored)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["create", "--practice", "No Slug", "--scopes", "a:read"], "slug"),
        (["create", "--operator", "--scopes", "everything"], "no scope everything"),
        (["create", "--practice", "north", "--scopes", "a:raed"], "did you mean a:read"),
        (["create", "--practice", "north", "--scopes", "a:read,status:read"], "operators' keys"),
        (["create", "--operator", "--scopes", "a:read"], "practices' keys"),
        (["create", "--operator", "--scopes", "status:read", "--days", "0"], "1 to 3650"),
        (["create", "--operator", "--scopes", "status:read", "--days", "9999999"], "1 to 3650"),
        (["create", "--operator", "--scopes", "status:read", "--label", "a\nb"], "one line"),
        (["rotate", "nothing"], "no key nothing"),
        (["revoke", "nothing"], "no key nothing"),
    ],
)
def test_the_command_says_what_is_wrong(
    toy: ServiceDatabase, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert key_cli.cli(lambda: toy.owner_url, SCOPES, argv) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_what_keys_may_do_is_listed_without_a_database(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_url() -> str:
        raise AssertionError("the address was asked for")

    assert key_cli.cli(no_url, SCOPES, ["scopes"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines == [list(scope) for scope in SCOPES]


def test_two_keys_hold_side_by_side_until_the_old_one_ends(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    create = ("create", "--practice", "north", "--scopes", "a:read", "--days", "90")
    old = _cli(toy, capsys, *create, "--label", "till").strip()
    new = _cli(toy, capsys, "rotate", old.split("_")[1], "--hours", "1").strip()
    verifier = keys.ApiKeys(api)
    before, after = verifier.verify(old), verifier.verify(new)
    assert before is not None
    assert after is not None
    assert (after.practice_id, after.scopes, after.label) == ("north", before.scopes, "till")
    assert before.expires_at is not None
    assert after.expires_at is not None
    assert after.expires_at - before.expires_at > timedelta(days=89)
    assert _cli(toy, capsys, "rotate", new.split("_")[1], "--hours", "0") != ""
    assert verifier.verify(new) is None
    assert verifier.verify(old) is not None
    rotate_ended = ["rotate", new.split("_")[1]]
    assert key_cli.cli(lambda: toy.owner_url, SCOPES, rotate_ended) == 2


def test_a_key_that_is_rotated_twice_has_two_successors_of_its_term(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the answer to the first rotation was lost."""
    old = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "a:read").strip()
    made = [_cli(toy, capsys, "rotate", old.split("_")[1]).strip() for _ in range(2)]
    found = keys.ApiKeys(api).verify_many(made)
    assert [found[raw].expires_at for raw in made] == [None, None]


def test_a_rotation_never_prolongs_a_key(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    create = ("create", "--practice", "north", "--scopes", "a:read", "--days", "1")
    old = _cli(toy, capsys, *create).strip()
    before = keys.ApiKeys(api).verify(old)
    _cli(toy, capsys, "rotate", old.split("_")[1], "--hours", "48")
    assert keys.ApiKeys(api).verify(old) == before


def test_the_last_use_is_noted_once_a_minute(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "a:read").strip()
    assert "never used" in _cli(toy, capsys, "list")
    verifier = keys.ApiKeys(api)

    def noted_at(*, minutes_ago: int) -> object:
        with psycopg.connect(toy.owner_url) as owner:
            owner.execute(
                "update api_key set last_used_at = now() - make_interval(mins => %s)", [minutes_ago]
            )
            before = owner.execute("select last_used_at from api_key").fetchone()
        assert verifier.verify(raw) is not None
        with psycopg.connect(toy.owner_url) as owner:
            return owner.execute("select last_used_at from api_key").fetchone() != before

    assert noted_at(minutes_ago=0) is False
    assert noted_at(minutes_ago=2) is True
    assert "\tused 20" in _cli(toy, capsys, "list")


def test_a_use_that_cannot_be_noted_refuses_nobody(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "a:read").strip()
    with psycopg.connect(toy.owner_url) as owner:
        owner.execute("revoke update on api_key from rapport_api")
        owner.execute("revoke update (last_used_at) on api_key from rapport_api")
    assert keys.ApiKeys(api).verify(raw) is not None
    assert "never used" in _cli(toy, capsys, "list")


def test_several_keys_are_looked_up_by_one_statement(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [
        _cli(toy, capsys, "create", "--practice", name, "--scopes", "a:read").strip()
        for name in ("north", "south")
    ]
    foreign = f"{made[0][:20]}{made[1][20:]}"  # one's id with the other's secret
    found = keys.ApiKeys(api).verify_many([*made, foreign, "guess"])
    assert {raw: holder.practice_id for raw, holder in found.items()} == {
        made[0]: "north",
        made[1]: "south",
    }


def test_only_an_operators_transaction_writes_keys(toy: ServiceDatabase, api: Database) -> None:
    with psycopg.connect(toy.owner_url) as owner:
        owner.execute("grant insert on api_key to rapport_api")
    with pytest.raises(InsufficientPrivilege, match="row-level"), api.transaction("north") as tx:
        keys.create_key(tx, practice_id="north", scopes=["a:read"])
    with api.transaction(operator=True) as tx:
        keys.create_key(tx, practice_id="north", scopes=["a:read"])
    with api.transaction("north") as tx:
        changed = tx.execute(text("update api_key set last_used_at = now()"))
        assert changed.rowcount == 0


def test_the_audit_keeps_who_made_and_ended_which_key(
    toy: ServiceDatabase,
    open_database: Callable[[str], Database],
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = _cli(toy, capsys, "create", "--operator", "--scopes", "status:read").strip()
    key_id = raw.split("_")[1]
    successor = _cli(toy, capsys, "rotate", key_id).strip().split("_")[1]
    _cli(toy, capsys, "revoke", key_id)
    with open_database(toy.worker_url).transaction() as tx:
        rows = audit.page(tx, after=0, limit=10)
    assert [(row.action, row.kind, row.subject) for row in rows] == [
        ("create", "key", key_id),
        ("rotate", "key", key_id),
        ("create", "key", successor),
        ("revoke", "key", key_id),
    ]
    assert all(row.actor for row in rows)
    assert raw.split("_", 2)[2] not in str(rows)


LOG = KeyLog("toy", "keys.v1")
_READ = """
    insert into consumer_position
        (consumer_group, topic, partition, topic_id, next_offset, processed_through)
    values ('toy', 'keys.v1', 0, '', 0, now() - make_interval(mins => %s))
    on conflict (consumer_group, topic, partition)
    do update set processed_through = excluded.processed_through
"""


def read_keys(toy: ServiceDatabase, *, minutes_ago: int) -> None:
    """All that became of keys was read up to then."""
    with psycopg.connect(toy.owner_url) as owner:
        owner.execute(_READ, [minutes_ago])


def share_key(worker: Database, **changes: Any) -> str:
    """A key that came by the bus, whole."""
    raw, parts = new_key()
    key = {
        "id": parts.id,
        "secret_hash": parts.secret_hash,
        "practice_id": "north",
        "scopes": ["a:read"],
        "label": "till",
        "created_at": datetime(2026, 3, 2, tzinfo=UTC),
        "expires_at": None,
        "revoked_at": None,
    }
    with worker.transaction() as tx:
        merge_key(tx, key | changes)
    return raw


def refuses(verifier: keys.ApiKeys, raw: str) -> bool:
    """Whether nobody can know of the key, rather than that it holds or does not."""
    try:
        verifier.verify(raw)
    except Unavailable:
        return True
    return False


def test_a_key_of_another_service_holds_only_while_the_log_is_read(
    toy: ServiceDatabase, api: Database, open_database: Callable[[str], Database]
) -> None:
    raw = share_key(open_database(toy.worker_url))
    verifier = keys.ApiKeys(api, LOG)
    assert refuses(verifier, raw)  # never read
    read_keys(toy, minutes_ago=14)
    holder = verifier.verify(raw)
    assert holder is not None
    assert (holder.practice_id, holder.scopes) == ("north", {"a:read"})
    read_keys(toy, minutes_ago=16)
    assert refuses(verifier, raw)
    assert verifier.verify_many([raw]) == {}


def test_a_key_that_may_stand_in_the_log_is_not_refused_for_good(
    toy: ServiceDatabase, api: Database
) -> None:
    raw, _ = new_key()
    verifier = keys.ApiKeys(api, LOG)
    assert refuses(verifier, raw)
    assert verifier.verify("rk_nothing") is None
    read_keys(toy, minutes_ago=0)
    assert verifier.verify(raw) is None


def test_what_ended_has_ended_whether_the_log_is_read_or_not(
    toy: ServiceDatabase, api: Database, open_database: Callable[[str], Database]
) -> None:
    worker, now = open_database(toy.worker_url), datetime.now(UTC)
    ended = [share_key(worker, **{end: now}) for end in ("revoked_at", "expires_at")]
    ended.append(f"{share_key(worker)[:-43]}{'A' * 43}")
    verifier = keys.ApiKeys(api, LOG)
    assert [verifier.verify(raw) for raw in ended] == [None, None, None]


def test_a_services_own_key_holds_without_the_log(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--operator", "--scopes", "status:read").strip()
    assert keys.ApiKeys(api, LOG).verify(raw) is not None


def test_a_key_of_another_service_is_rotated_there(
    toy: ServiceDatabase,
    open_database: Callable[[str], Database],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its successor would hold here alone, and for ever."""
    raw = share_key(open_database(toy.worker_url))
    rotate = ["rotate", raw.split("_")[1]]
    assert key_cli.cli(lambda: toy.owner_url, SCOPES, rotate) == 2
    assert "another service" in capsys.readouterr().err
