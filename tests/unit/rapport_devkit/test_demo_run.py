"""The demo from its first line to its last, with all servers replaced: what it prints, and when."""

import io
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rapport_devkit.demo import run
from rapport_devkit.demo.run import DemoOptions, run_demo
from rapport_devkit.demo.story import Story
from rapport_devkit.sources.cdnow import purchase
from rapport_devkit.sources.dataset import record_of
from rapport_devkit.sources.own_file import read_file
from rapport_devkit.till import told_by_till
from rapport_devkit.words import ENGLISH, Words, words_of
from tests.support.places import REPOSITORY
from tests.unit.rapport_devkit.test_demo_figures import GOOD
from tests.unit.rapport_devkit.test_demo_words import ORIGIN, access

STACK = SimpleNamespace(
    kafka=SimpleNamespace(bootstrap="127.0.0.1:9092"),
    postgres=SimpleNamespace(url=lambda: "postgresql://127.0.0.1:5432"),
    sandbox=SimpleNamespace(url="http://127.0.0.1:8099"),
    producer=lambda: SimpleNamespace(close=lambda: None),
)
EVENTS = list(purchase(1, "1 0001 19970101 1 9.99", ORIGIN))
"""A booking and its payment."""
TIERS = [{"names": {"en": "Gold", "zh": "金钻"}, "clients": 10}]
STORY = Story(
    external_id="c-17",
    identities=(),
    activity=(),
    changes=(),
    tier={"client_id": "c-1", "zone": "UTC", "tier": "gold", "next_transition": None},
    sent=None,
    withheld=None,
)


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How each replay made its records; everything around it is replaced."""
    made: list[Any] = []

    def replay(**options: Any) -> Any:
        made.append(options["records"])
        done = SimpleNamespace(sent=7, seconds=1.0)
        return SimpleNamespace(run=lambda _dataset, _view: done)

    for name, stand_in in (
        ("Stack", lambda _options, say: nullcontext(STACK)),
        ("open_access", lambda _stack, _practice: access()),
        ("register", lambda *_, **__: {}),
        ("SimulatedClock", lambda _operators: None),
        ("Replay", replay),
        ("gather", lambda _stack, _access, sent: replace(GOOD, sent=sent, tiers=TIERS)),
        ("find_story", lambda *_: STORY),
        ("_stay", lambda *_: None),
    ):
        monkeypatch.setattr(run, name, stand_in)
    return made


def told(folder: Path, words: Words = ENGLISH, **options: Any) -> str:
    file = io.StringIO()
    dataset = read_file(REPOSITORY / "docs" / "your-own-data.csv", ORIGIN)
    given = {"stays": False, "is_own_file": True, **options}
    run_demo(
        DemoOptions(
            folder=folder, origin=ORIGIN, services=("ingestion", "scoring"), words=words, **given
        ),
        dataset,
        Console(file=file, width=160),
    )
    return file.getvalue()


def test_an_owners_file_is_sent_as_it_is_with_its_payments_from_the_till(
    replays: list[Any], tmp_path: Path
) -> None:
    text = told(tmp_path)
    (records,) = replays
    assert records(EVENTS) == [record_of(told_by_till(event)) for event in EVENTS]
    assert "your-own-data.csv: 7 events of 2 clients, 2026-01-05 to 2026-02-01, in CNY" in text
    assert "Each line of the file was sent once, and nothing was added." in text
    assert "Rulebook rfm-demo-cny version 1" in text


def test_the_sample_is_sent_with_faults(replays: list[Any], tmp_path: Path) -> None:
    told(tmp_path, is_own_file=False)
    (records,) = replays
    assert len(records(EVENTS * 25)) == len(EVENTS) * 25 + 1


def test_commands_are_shown_only_while_there_are_servers(
    replays: list[Any], tmp_path: Path
) -> None:
    assert "curl" not in told(tmp_path)
    assert "curl" in told(tmp_path, stays=True)
    assert len(replays) == 2


@pytest.mark.usefixtures("replays")
def test_a_rulebook_of_ones_own_is_taken(tmp_path: Path) -> None:
    theirs = tmp_path / "mine.json"
    data = REPOSITORY / "libs/rapport-devkit/src/rapport_devkit/data/rulebook.json"
    theirs.write_text(data.read_text("utf-8").replace("rfm-demo", "mine"), "utf-8")
    assert "Rulebook mine version 1" in told(tmp_path / "demo", rulebook=theirs)


@pytest.mark.usefixtures("replays")
def test_the_demo_speaks_chinese_to_a_chinese_owner(tmp_path: Path) -> None:
    text = told(tmp_path, words_of("zh"), stays=True)
    for english in ("Events", "Clients per tier", "The story of", "Look for yourself", "logs:"):
        assert english not in text
    assert "分级规则 rfm-demo-cny 第 1 版" in text
