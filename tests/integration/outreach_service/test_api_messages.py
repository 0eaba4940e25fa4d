"""Messages, playbooks and channels over REST: what is shown, what staff may do, what is refused."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from outreach_service.domain.terms import Channel
from tests.integration.outreach_service.api_world import (
    DAY_2,
    LIN,
    PLAY,
    WANG,
    MakeWorld,
    World,
)

pytestmark = pytest.mark.integration

ONE, TWO, THREE = ("a" * 32, "b" * 32, "c" * 32)


def test_a_list_is_paged_by_id_and_filtered(world: World) -> None:
    world.add_message(ONE)
    world.add_message(TWO, state="accepted", channel="email", template="check-in")
    world.add_message(THREE, client_id=WANG)

    def listed(**query: Any) -> list[str]:
        answer = world.call("GET", "/v1/messages", params=query)
        return [one["message_id"] for one in answer.json()["items"]]

    first = world.call("GET", "/v1/messages", params={"limit": 2}).json()
    assert [one["message_id"] for one in first["items"]] == [ONE, TWO]
    assert listed(limit=2, cursor=first["next_cursor"]) == [THREE]
    assert listed(client_id=LIN) == [ONE, TWO]
    assert listed(state="accepted") == [TWO]
    assert listed(channel="email", client_id=LIN) == [TWO]
    assert listed(channel="sms") == []
    assert listed(play="check-in", state="awaiting_staff") == [ONE, THREE]
    assert world.call("GET", "/v1/messages", params={"state": "lost"}).status_code == 422
    counts = world.call("GET", "/v1/messages/summary").json()["items"]
    assert [(one["state"], one["channel"], one["messages"]) for one in counts] == [
        ("accepted", "email", 1),
        ("awaiting_staff", None, 2),
    ]


def test_one_message_shows_cause_reason_attempts_and_text(world: World) -> None:
    world.add_message(ONE)
    world.fill_what_the_bus_tells()
    world.add_attempt(ONE, 2, None)
    world.put_contact(channel="email", address="lin@example.com", name="Lin Canary", language="en")
    shown = world.call("GET", f"/v1/messages/{ONE}").json()
    assert (shown["state"], shown["reason"], shown["mode"]) == (
        "awaiting_staff",
        "mode:awaiting-approval",
        "approve",
    )
    assert (shown["decide_at"], shown["expires_at"]) == (
        "2024-06-01T00:00:00Z",
        "2024-06-08T00:00:00Z",
    )
    assert shown["occasion"] == {"kind": "tier", "id": f"rfm:{int(ONE, 16) % 1_000_000}"}
    assert (shown["cause"]["from_tier"], shown["cause"]["to_tier"]) == ("gold", "silver")
    assert (shown["cause"]["scheme"], shown["cause"]["version"]) == ("rfm", 1)
    assert [(one["number"], one["outcome"]) for one in shown["tries"]] == [
        (1, "accepted"),
        (2, None),
    ]
    preview = shown["preview"]
    assert (preview["channel"], preview["language"], preview["missing"]) == ("email", "en", None)
    assert "Lin Canary" in preview["body"]
    assert "海港" in preview["body"]
    assert "lin@example.com" not in json.dumps(shown)


def test_an_old_message_is_shown_by_its_key_and_outcome(world: World) -> None:
    """After a purge, which takes what it was made of and its attempts."""
    world.add_message(ONE, state="accepted", reason=None, channel="sms")
    world.put_contact()
    world.run("UPDATE message SET play_body = NULL, change = NULL")
    shown = world.call("GET", f"/v1/messages/{ONE}").json()
    assert (shown["state"], shown["channel"], shown["tries"]) == ("accepted", "sms", [])
    assert (shown["mode"], shown["expires_at"], shown["cause"]) == (None, None, None)
    assert shown["preview"]["missing"] == "the play is no longer kept"
    (listed,) = world.call("GET", "/v1/messages").json()["items"]
    assert listed.items() <= shown.items()


def test_a_preview_prefers_consent_and_says_what_it_lacks(world: World) -> None:
    world.add_message(ONE)

    def preview() -> dict[str, Any]:
        shown: dict[str, Any] = world.call("GET", f"/v1/messages/{ONE}").json()["preview"]
        return shown

    assert (preview()["missing"], preview()["body"]) == ("no contact", "")
    world.put_contact(channel="wechat", address="o" * 28)
    assert preview()["missing"] == "no contact"
    world.put_contact()
    assert preview()["missing"] == "the practice's name is not known yet"
    world.run("INSERT INTO practice VALUES ('harbour', '海港', 'Asia/Shanghai', 'CNY')")
    assert (preview()["channel"], preview()["body"].startswith("【海港】")) == ("sms", True)
    world.put_contact(channel="email", address="lin@example.com")
    assert preview()["channel"] == "sms"
    world.put_consent(channel="email")
    assert preview()["channel"] == "email"
    world.put_consent(channel="email", granted=False)
    assert preview()["channel"] == "sms"


def test_approval_lets_the_gates_be_asked_again_now(make_world: MakeWorld) -> None:
    world = make_world(simulated=True)
    world.add_message(ONE)
    assert world.call("POST", f"/v1/messages/{ONE}/approve").status_code == 503
    world.read_up_to(DAY_2)
    answer = world.call("POST", f"/v1/messages/{ONE}/approve").json()
    assert (answer["state"], answer["approved"], answer["reason"], answer["decide_at"]) == (
        "scheduled",
        True,
        None,
        "2024-06-02T00:00:00Z",
    )
    again = world.call("POST", f"/v1/messages/{ONE}/approve")
    assert (again.status_code, again.json()) == (200, answer)
    assert _announced(world) == [(3, ONE, "scheduled", None)]


def test_a_message_is_cancelled_before_it_goes_and_said_once(world: World) -> None:
    world.add_message(ONE, state="deferred", reason="quiet-hours")
    for _ in range(2):
        answer = world.call("POST", f"/v1/messages/{ONE}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert _announced(world) == [(3, ONE, "cancelled", "cancelled-by-staff")]
    assert world.call("POST", f"/v1/messages/{ONE}/approve").status_code == 409


@pytest.mark.parametrize(
    ("state", "status", "after"),
    [
        ("sending", 409, "sending"),
        ("accepted", 409, "accepted"),
        ("unknown", 409, "unknown"),
        ("suppressed", 200, "suppressed"),
        ("expired", 200, "expired"),
    ],
)
def test_what_has_gone_or_is_settled_is_not_cancelled(
    world: World, state: str, status: int, after: str
) -> None:
    world.add_message(ONE, state=state)
    assert world.call("POST", f"/v1/messages/{ONE}/cancel").status_code == status
    assert world.rows("SELECT state FROM message") == [(after,)]
    assert _announced(world) == []


def test_a_playbook_is_kept_with_the_next_version(world: World) -> None:
    assert world.call("GET", "/v1/playbook").json()["version"] == 0
    ours = {"key": "ours", "plays": [PLAY]}
    versions = [world.call("PUT", "/v1/playbook", json=ours).json()["version"] for _ in range(2)]
    assert versions == [1, 2]
    stored = world.call("GET", "/v1/playbook").json()
    assert (stored["version"], stored["playbook"]) == (2, ours)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"purpose": "marketing", "channel": "wechat"}, "/plays/0/steps/0/channels/0/channel"),
        ({"template": "nowhere"}, "/plays/0/steps/0/channels/0/template"),
        ({"purpose": "marketing"}, "/plays/0/steps/0/channels/0/template"),
        ({"mode": "shout"}, "/plays/0/mode"),
        ({"surprise": 1}, "/plays/0/surprise"),
    ],
    ids=["marketing by WeChat", "no template", "another purpose's template", "mode", "extra"],
)
def test_a_playbook_that_cannot_be_used_is_refused_by_field(
    world: World, changes: dict[str, Any], pointer: str
) -> None:
    route = {
        "channel": changes.pop("channel", "sms"),
        "template": changes.pop("template", "check-in"),
    }
    play = {**PLAY, "steps": [{"channels": [route]}], **changes}
    answer = world.call("PUT", "/v1/playbook", json={"key": "ours", "plays": [play]})
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["pointer"]) == (422, pointer)
    assert world.rows("SELECT count(*) FROM playbook") == [(0,)]


def test_all_faults_of_a_playbook_are_in_one_answer(world: World) -> None:
    route = {"channel": "wechat", "template": "win-back", "sur/prise": 1}
    play = {**PLAY, "mode": "shout", "expires_after": "P1M", "steps": [{"channels": [route]}]}
    answer = world.call("PUT", "/v1/playbook", json={"key": "ours", "plays": [play]})
    problem = answer.json()
    assert (answer.status_code, problem["detail"]) == (422, "3 found")
    assert [fault["pointer"] for fault in problem["errors"]] == [
        "/plays/0/steps/0/channels/0/sur~1prise",
        "/plays/0/mode",
        "/plays/0/expires_after",
    ]


def test_a_refused_route_is_told_the_reason_and_no_document(world: World) -> None:
    route = {"channel": "wechat", "template": "win-back"}
    play = {**PLAY, "purpose": "marketing", "steps": [{"channels": [route]}]}
    answer = world.call("PUT", "/v1/playbook", json={"key": "ours", "plays": [play]})
    assert [fault["detail"] for fault in answer.json()["errors"]] == [
        "WeChat template messages are service notices and may not carry marketing"
    ]


def test_channels_say_what_they_may_and_what_waits(world: World) -> None:
    world.run(
        "INSERT INTO permit VALUES ('email', 5, 1, 100, now() - interval '10 seconds'),"
        " ('sms', 0, 1, 3, now() - interval '1 hour')"
    )
    world.add_message(ONE, due_at=DAY_2)
    world.add_message(TWO, state="deferred")
    world.add_message(THREE, state="scheduled", channel="email", template="check-in")
    for number, outcome in enumerate(["accepted", "rejected", "unknown", None, "accepted"]):
        world.add_attempt(THREE, number, outcome)
    world.run("UPDATE attempt SET started_at = now() - interval '2 hours' WHERE number = 4")
    mail, sms = world.call("GET", "/v1/channels").json()["items"]
    assert (mail["channel"], mail["configured"], mail["sending"]) == ("email", True, "on")
    assert 15 <= mail["permits"]["tokens"] < 60
    assert mail["last_hour"] == {"attempts": 4, "accepted": 1, "rejected": 1, "unknown": 1}
    assert mail["waiting"] == 1
    assert (sms["configured"], sms["sending"], sms["permits"]["tokens"]) == (False, "off", 3)
    assert (sms["waiting"], sms["oldest_waiting_at"]) == (2, "2024-06-01T00:00:00Z")


def test_every_route_but_the_signed_link_needs_a_key_with_its_scope(world: World) -> None:
    paths = world.app.openapi()["paths"]
    routes = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    closed = [(method, path) for method, path in routes if "unsubscribe" not in path]
    assert (len(routes), len(closed)) == (17, 15)
    for method, path in closed:
        filled = path.format(client_id=LIN, message_id=ONE, channel="sms")
        assert world.call(method, filled, key=None).status_code == 401, path
        assert world.call(method, filled, key="powerless").status_code == 403, path


def test_the_api_cannot_remove_what_it_may_not(world: World) -> None:
    for table in ("message", "consent", "playbook"):
        with pytest.raises(sa.exc.ProgrammingError), world.api.transaction("harbour") as tx:
            tx.execute(sa.delete(sa.table(table)))


def _announced(world: World) -> list[tuple[int, str, str, str | None]]:
    """Partition, message, state and reason of what will be published."""
    rows = world.rows("SELECT partition, value FROM outbox ORDER BY id")
    found = [(partition, json.loads(bytes(value))) for partition, value in rows]
    return [(partition, event[1], event[9], event[10]) for partition, event in found]


def test_what_has_no_account_is_neither_shown_to_staff_nor_said_to_be_waited_for(
    make_world: MakeWorld,
) -> None:
    world = make_world(simulated=False, closed={Channel.SMS})
    world.fill_what_the_bus_tells()
    world.put_contact()
    world.put_contact(channel="email", address="lin@example.net")
    world.add_message(ONE)
    shown = world.call("GET", f"/v1/messages/{ONE}").json()["preview"]
    assert shown["channel"] == "email"
    mail, sms = world.call("GET", "/v1/channels").json()["items"]
    assert (mail["waiting"], sms["waiting"]) == (1, 0)
