"""The demo's story: whose it is, and that its messages do not hang on one client having both."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from rapport_contracts.canonical import Line
from rapport_devkit.access import Access
from rapport_devkit.demo.story import Story, find_story, print_story

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBERS = [
    {"namespace": "demo-desk", "external_id": "cdnow-7"},
    {"namespace": "demo-till", "external_id": "till-a1"},
]
CLIENTS = {"ada": "c-1", "ben": "c-2", "cleo": "c-3"}


class Service:
    """What the three APIs answer about clients and messages."""

    def __init__(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self._messages = messages

    def items(self, path: str) -> Iterator[Mapping[str, Any]]:
        return iter(self._messages if path == "/v1/messages" else [])

    def get(self, path: str) -> Mapping[str, Any]:
        _, _, _, name, *_ = path.split("/")
        if path.startswith("/v1/messages/"):
            (one,) = [one for one in self._messages if one["message_id"] == name]
            return one
        return {
            "client_id": name,
            "zone": "Europe/London",
            "tier": "bronze",
            "next_transition": None,
            "identities": NUMBERS,
        }


def story_of(*messages: Mapping[str, Any], outreach: bool = True) -> str:
    """What is printed of a practice of three clients with these messages."""
    service = Service(messages)
    names = ("ingestion", "scoring", *(["outreach"] if outreach else []))
    apis = dict.fromkeys(names, service)
    access = Access(practice_id="harbour", operator={}, practice=apis)  # type: ignore[arg-type]
    printed = StringIO()
    print_story(Console(file=printed, width=120), find_story(access, CLIENTS, {}))
    return printed.getvalue()


def message(
    client_id: str, state: str, message_id: str = "", due_at: str = "1", step: int = 0
) -> dict[str, Any]:
    return {
        "message_id": message_id or f"{client_id}-{state}",
        "client_id": client_id,
        "state": state,
        "due_at": due_at,
        "play": "hello",
        "step": step,
        "occasion": {"kind": "tier", "id": "rfm:1"},
        "purpose": "care",
        "reason": None,
        "tries": [],
        "cause": {
            "direction": "entered",
            "to_tier": "bronze",
            "reason": "activity",
            "effective_at": "2026-01-01T12:00:00+00:00",
        },
        "preview": {"missing": f"words of {message_id or state}"},
    }


def test_the_client_with_a_message_of_both_kinds_is_told_of_with_their_own() -> None:
    text = story_of(
        message("c-1", "delivered"),
        message("c-2", "suppressed"),
        message("c-3", "accepted"),
        message("c-3", "deferred"),
    )
    assert "The story of cleo" in text
    assert "words of accepted" in text
    assert "words of deferred" in text
    assert ", of " not in text


def test_the_client_is_one_in_two_systems_with_a_number_of_its_own_in_each() -> None:
    assert (
        "One client in two systems, each with a number of its own:"
        " demo-desk cdnow-7 · demo-till till-a1"
    ) in story_of(message("c-1", "delivered"))


def test_where_no_client_has_both_the_other_is_of_another_client_who_is_named() -> None:
    text = story_of(message("c-2", "suppressed"), message("c-3", "delivered"))
    assert "The story of cleo" in text
    assert "A message as it was rendered ─" in text
    assert "words of delivered" in text
    assert "Another one that was withheld, of ben ─" in text
    assert "words of suppressed" in text


def test_where_there_is_none_of_a_kind_that_is_said() -> None:
    text = story_of(message("c-2", "suppressed"))
    assert "The story of ben" in text
    assert "A message as it was rendered ─" in text
    assert text.count("there is none") == 1
    assert story_of().count("there is none") == 2
    assert story_of(outreach=False).count("there is none") == 2


def test_the_last_of_several_is_shown_whatever_their_order() -> None:
    early = message("c-1", "delivered", "early", due_at="2026-01-01T12:00:00Z")
    late = message("c-1", "delivered", "late", due_at="2026-01-02T12:00:00Z")
    assert "words of late" in story_of(early, late)
    assert "words of late" in story_of(late, early)


def test_of_two_due_at_once_the_later_step_is_shown_whatever_their_ids() -> None:
    for first, second in (("a", "b"), ("b", "a")):
        text = story_of(
            message("c-1", "delivered", first, step=0), message("c-1", "delivered", second, step=1)
        )
        assert f"words of {second}" in text


def test_what_came_to_nothing_is_not_told() -> None:
    """An hour that was booked and took place is booked no longer."""
    activity = [
        {"on": "2026-03-02", "kind": "booked", "count": 1, "amount_minor": 0, "currency": None},
        {"on": "2026-03-02", "kind": "booked", "count": -1, "amount_minor": 0, "currency": None},
        {"on": "2026-03-02", "kind": "completed", "count": 1, "amount_minor": 0, "currency": None},
    ]
    text = told(activity, ())
    assert "completed" in text
    assert "booked" not in text


def test_money_is_told_in_the_currencys_main_unit() -> None:
    paid = {"on": "2026-03-02", "kind": "settled", "count": 1, "amount_minor": 120000}
    line = Line(line="monetary.at_least_50000", input="x", value="120000", points=25)
    change = SimpleNamespace(
        effective_at=NOON,
        zone="Asia/Shanghai",
        direction="entered",
        to_tier="bronze",
        reason="activity",
        score="40.00",
        explanation=(line,),
    )
    text = told([{**paid, "currency": "CNY"}], (change,))
    assert "monetary 25 (1,200.00 CNY)" in text
    assert "120000" not in text


def told(activity: Sequence[Mapping[str, Any]], changes: Sequence[Any]) -> str:
    """What is printed of one client's story."""
    tier = {"client_id": "c-1", "zone": "UTC", "tier": "bronze", "next_transition": None}
    story = Story(
        external_id="ada",
        identities=NUMBERS,
        activity=activity,
        changes=changes,
        tier=tier,
        sent=None,
        withheld=None,
    )
    printed = StringIO()
    print_story(Console(file=printed, width=120), story)
    return printed.getvalue()
