"""A letter's bytes are sealed at rest, for its place; what cannot be opened holds up nothing."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.sealing import Keyring
from rapport_runtime.stream.dead_letters import cli as dead_letter_cli
from rapport_runtime.stream.dead_letters import resealing
from rapport_runtime.stream.dead_letters.resealing import ResealedLetters, reseal_letters
from rapport_runtime.stream.dead_letters.sealed import CannotOpen, opened
from rapport_runtime.stream.dead_letters.store import Actor, DeadLetterStore
from rapport_runtime.stream.dead_letters.table import CANNOT_OPEN
from rapport_runtime.stream.loop import BatchLoop
from tests.support.doubles.known_secrets import KNOWN_KEY, RECORD_KEYS, KnownSecrets
from tests.support.worlds.toy_ledger import GROUP, TOPIC, Ledger, eager_loop_of, put, turns

pytestmark = pytest.mark.integration
SECRET = "burgundy"
EVERYONE = Actor(name="ann", all_practices=True)
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()
BOTH = Keyring({"k1": KNOWN_KEY, "k2": OTHER_KEY}, active="k2")
ONLY_NEW = Keyring({"k2": OTHER_KEY}, active="k2")


@contextmanager
def reading(bus: MemoryBus, ledger: Ledger, keyring: Keyring = RECORD_KEYS) -> Iterator[BatchLoop]:
    """A loop that has put aside what is bad; its member leaves at the end."""
    member = bus.consumer(GROUP, [TOPIC])
    made = eager_loop_of(member, ledger, keyring=keyring)
    try:
        turns(made)
        yield made
    finally:
        member.close()


def put_aside(bus: MemoryBus, ledger: Ledger, *values: str) -> None:
    put(bus, 0, *values)
    with reading(bus, ledger):
        pass


def queue_all(ledger: Ledger) -> None:
    store = DeadLetterStore(ledger.database)
    for row in ledger.rows("SELECT id FROM every_letter ORDER BY id"):
        assert store.queue(EVERYONE, row.id)


def states(ledger: Ledger) -> list[tuple[str, str]]:
    rows = ledger.rows("SELECT record_offset, state, reason FROM every_letter ORDER BY 1")
    return [(row.state, row.reason) for row in rows]


def stored(ledger: Ledger) -> str:
    """All that both tables hold, as text; bytes are in hexadecimal."""
    tables = ("dead_letter", "decided_letter")
    return "\n".join(
        row.text
        for table in tables
        for row in ledger.rows(f"SELECT {table}::text AS text FROM {table}")  # noqa: S608 - above
    )


def test_no_word_of_a_record_lies_in_the_database_whether_it_waits_or_was_decided(
    bus: MemoryBus, ledger: Ledger
) -> None:
    word = SECRET.encode()
    for kind in (b"bad:", b"reject:", b"invalid:"):
        bus.append(TOPIC, 0, word, kind + word, headers=(("h", word),))
    with reading(bus, ledger) as subject:
        ledger.heal.add(f"reject:{SECRET}")
        first, second, _ = ledger.rows("SELECT * FROM dead_letter ORDER BY id")
        assert opened(RECORD_KEYS, first) == (word, b"bad:" + word, (("h", word),))
        store = DeadLetterStore(ledger.database)
        assert store.drop(EVERYONE, first.id)
        assert store.queue(EVERYONE, second.id)
        turns(subject)
    assert [state for state, _ in states(ledger)] == ["dropped", "replayed", "held"]
    text = stored(ledger)
    assert len(text.splitlines()) == 3
    assert SECRET not in text
    assert word.hex() not in text


@pytest.mark.parametrize(
    "moved",
    [
        "sealed_value = (SELECT sealed_value FROM dead_letter WHERE record_offset = 1)",
        "sealed_value = sealed_key",
        "record_offset = 7",
        "partition = 1",
        "consumer_group = 'other'",
    ],
)
def test_what_was_moved_does_not_open(bus: MemoryBus, ledger: Ledger, moved: str) -> None:
    put_aside(bus, ledger, "bad one", "bad two")
    ledger.run(f"UPDATE dead_letter SET {moved} WHERE record_offset = 0")  # noqa: S608 - above
    first, second = ledger.rows("SELECT * FROM dead_letter ORDER BY id")
    with pytest.raises(CannotOpen, match=rf"letter {first.id} .* not this place's.*'k1'"):
        opened(RECORD_KEYS, first)
    assert opened(RECORD_KEYS, second).value == b"bad two"


def test_where_a_key_is_gone_the_letter_names_it_and_the_others_go_on(
    bus: MemoryBus, ledger: Ledger
) -> None:
    put_aside(bus, ledger, "bad old")
    put(bus, 0, "bad new")
    with reading(bus, ledger, ONLY_NEW) as subject, capture_logs() as logs:
        ledger.heal |= {"bad old", "bad new"}
        queue_all(ledger)
        turns(subject)
    assert ledger.entries() == ["bad new"]
    assert states(ledger) == [("held", CANNOT_OPEN), ("replayed", "unreadable")]
    (row,) = ledger.rows("SELECT * FROM dead_letter")
    assert row.detail == f"letter {row.id} cannot be opened: there is no key 'k1'"
    (told,) = [each for each in logs if each["event"] == "letter_cannot_be_opened"]
    assert (told["letter"], told["error"]) == (row.id, row.detail)
    assert DeadLetterStore(ledger.database).queue(EVERYONE, row.id)
    with reading(bus, ledger, BOTH):
        pass
    assert sorted(ledger.entries()) == ["bad new", "bad old"]


def test_show_says_which_key_is_gone_and_list_shows_the_letter(
    bus: MemoryBus, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    put_aside(bus, ledger, "bad")
    (row,) = ledger.rows("SELECT * FROM dead_letter")
    bare = KnownSecrets(record_keyring=ONLY_NEW)
    assert dead_letter_cli.letters(ledger.database, bare, ["show", str(row.id)]) == 2
    told = capsys.readouterr().err.strip()
    assert told == f"letter {row.id} cannot be opened: there is no key 'k1'"
    assert dead_letter_cli.letters(ledger.database, bare, ["list"]) == 0
    assert capsys.readouterr().out.startswith(f"{row.id}\theld\t")
    assert dead_letter_cli.letters(ledger.database, KnownSecrets(), ["show", str(row.id)]) == 0
    assert json.loads(capsys.readouterr().out)["value_bytes"] == 3


def test_a_record_that_comes_again_has_one_letter_sealed_anew(
    bus: MemoryBus, ledger: Ledger
) -> None:
    """Also where it was dealt with: it waits again, and what a lost key sealed can be opened."""
    put_aside(bus, ledger, "bad one", "bad two")
    before = ledger.rows("SELECT id FROM every_letter ORDER BY id")
    assert DeadLetterStore(ledger.database).drop(EVERYONE, before[0].id)
    ledger.run("UPDATE consumer_position SET next_offset = 0")
    with reading(bus, ledger, ONLY_NEW):
        pass
    rows = ledger.rows("SELECT * FROM every_letter ORDER BY id")
    assert [row.id for row in rows] == [row.id for row in before]
    assert states(ledger) == [("held", "unreadable")] * 2
    assert [opened(ONLY_NEW, row).value for row in rows] == [b"bad one", b"bad two"]


def test_what_an_older_key_sealed_is_sealed_again_once_wherever_it_lies(
    bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "PAGE_ROWS", 2)
    put_aside(bus, ledger, *(f"bad {number}" for number in range(5)))
    rows = ledger.rows("SELECT id FROM dead_letter ORDER BY id")
    for row in rows[:2]:
        assert DeadLetterStore(ledger.database).drop(EVERYONE, row.id)
    ledger.run("UPDATE dead_letter SET sealed_key = sealed_value WHERE record_offset = 4")
    assert reseal_letters(ledger.database, BOTH) == ResealedLetters(4, 1)
    assert reseal_letters(ledger.database, BOTH) == ResealedLetters(0, 1)
    found = ledger.rows("SELECT * FROM every_letter ORDER BY id LIMIT 4")
    values = [opened(ONLY_NEW, row).value for row in found]
    assert values == [f"bad {number}".encode() for number in range(4)]
    assert [state for state, _ in states(ledger)] == ["dropped"] * 2 + ["held"] * 3
