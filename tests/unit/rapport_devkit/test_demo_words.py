"""What the demo says around its figures: what it added itself, how to look around, how it goes."""

import io
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from rapport_devkit.access import Access
from rapport_devkit.demo import live
from rapport_devkit.demo.live import LiveView
from rapport_devkit.demo.next_steps import print_next_steps
from rapport_devkit.demo.story import Story
from rapport_devkit.demo.tables import money, print_figures, print_rulebook
from rapport_devkit.replay import Progress
from rapport_devkit.till import TILL, number_of
from rapport_devkit.words import ENGLISH, Words, words_of
from rapport_files.events import Origin
from tests.unit.rapport_devkit.test_demo_figures import GOOD

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="test")
NOW = "2026-03-02T04:00:00+00:00"


class Api:
    """An API with one key; it knows the time, tiers and messages."""

    def __init__(self, key: str) -> None:
        self.base_url = "http://127.0.0.1:8001"
        self.key = key

    def get(self, path: str) -> Mapping[str, Any]:
        return {
            "/v1/clock": {"now": NOW},
            "/v1/distribution": {"tiers": [{"tier": "gold", "clients": 3}]},
            "/v1/messages/summary": {"items": [{"state": "accepted", "messages": 2}]},
        }[path]


def access() -> Access:
    services = ("ingestion", "scoring", "outreach")
    keys = {name: cast("Any", Api("practice-key")) for name in services}
    operators = {name: cast("Any", Api("operator-key")) for name in services}
    return Access(practice_id="harbour", operator=operators, practice=keys)


def printed(show: Any, *arguments: Any) -> str:
    file = io.StringIO()
    show(Console(file=file, width=160), *arguments)
    return file.getvalue()


def test_the_end_shows_keys_addresses_and_how_to_move_the_clock() -> None:
    stack = SimpleNamespace(
        kafka=SimpleNamespace(bootstrap="127.0.0.1:9092"),
        postgres=SimpleNamespace(url=lambda: "postgresql://127.0.0.1:5432"),
        sandbox=SimpleNamespace(url="http://127.0.0.1:8099"),
    )
    story = Story(
        external_id="wren",
        identities=(),
        activity=[{"currency": "CNY"}],
        changes=(),
        tier={"client_id": "c-1"},
        sent=None,
        withheld=None,
    )
    text = printed(print_next_steps, stack, access(), ORIGIN, story, ENGLISH)
    for shown in (
        *("127.0.0.1:9092", "postgresql://127.0.0.1:5432", "http://127.0.0.1:8099/deliveries"),
        *("Bearer practice-key", "Bearer operator-key", "/v1/status", "/v1/audit", "/v1/pauses"),
        f"stands still at {NOW}",
    ):
        assert shown in text
    assert "/v1/clients/c-1\n" in text
    (sent,) = (line for line in text.splitlines() if line.endswith("/v1/events"))
    of_whom = [(one["source"], one["subject"]) for one in json.loads(shlex.split(sent)[-2])]
    assert of_whom == [("test", "wren"), (TILL, number_of("wren"))]
    clock = text.splitlines()[-1]
    assert clock.endswith("/v1/clock")
    assert "-X PUT" in clock
    assert "2026-03-03T04:00:00+00:00" in clock


@pytest.mark.parametrize(
    ("duplicates", "junk", "said"),
    [
        (8, 5, "The demo itself sent 8 events twice and added 5 broken records"),
        (0, 0, "Each line of the file was sent once, and nothing was added."),
    ],
)
def test_what_the_demo_added_itself_is_said(duplicates: int, junk: int, said: str) -> None:
    sent = replace(GOOD.sent, duplicates=duplicates, junk=junk)
    tiers = [{"names": {"en": "Gold", "zh": "金钻"}, "clients": 3}]
    text = printed(print_figures, replace(GOOD, sent=sent, tiers=tiers))
    assert said in text
    assert "Names, addresses and consents are invented" in text


def test_to_a_file_a_line_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now[0]))
    file = io.StringIO()
    with LiveView(Console(file=file, width=100), access(), 40, ENGLISH) as view:
        for day in range(1, 41):
            now[0] += 1.0
            view(Progress(on=date(2026, 3, 1), days=day, sent=day * 10, seconds=1.0, lag=0))
    lines = file.getvalue().splitlines()
    assert [line for line in lines if "day" in line] == [
        f"  2026-03-01: day {day} of 40, {day * 10} events sent" for day in (1, 11, 21, 31)
    ]
    assert "  tiers gold 3" in lines


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(120000, "CNY", "1,200.00 CNY"), (-4990, "JPY", "-4,990 JPY"), (0, "KWD", "0.000 KWD")],
)
def test_money_is_told_in_the_main_unit(minor: int, currency: str, text: str) -> None:
    assert money(minor, currency) == text


@pytest.mark.parametrize(("words", "said"), [(ENGLISH, "500.00 CNY"), (words_of("zh"), "额度")])
def test_the_cut_offs_are_told_in_the_practices_currency(words: Words, said: str) -> None:
    path = Path(str(files("rapport_devkit") / "data" / "rulebook.cny.json"))
    text = printed(print_rulebook, path, "CNY", words)
    assert said in text
    assert json.loads(path.read_text())["monetary"]["levels"][-1]["at_least_minor"] == 50_000
