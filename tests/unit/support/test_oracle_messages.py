"""The oracle of messages finds each fault that is planted, and none where there is none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.oracles.due_messages import Identity, due_messages
from tests.support.oracles.messages import Letterbox, Reachable, Window, unknown_faults

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
REAL = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STEPS = [(NOON + day * DAY, REAL + day * timedelta(minutes=1)) for day in range(12)]
ROUTES = [{"channel": "wechat", "template": "t"}, {"channel": "sms", "template": "t"}]
PLAYBOOK = {
    "plays": [
        {
            "key": "thanks",
            "when": {"directions": ["upgraded"], "to_tiers": ["gold"]},
            "purpose": "care",
            "settles_after": "PT0S",
            "expires_after": "P7D",
            "steps": [{"channels": ROUTES}],
        },
        {
            "key": "check-in",
            "when": {"directions": ["downgraded"]},
            "purpose": "care",
            "settles_after": "PT0S",
            "expires_after": "P7D",
            "steps": [{"channels": ROUTES}],
        },
    ]
}
ADA = ("lake", "ada")


def change(version: int, direction: str, **fields: Any) -> dict[str, Any]:
    data = {
        "client_id": "ada",
        "scheme": "rfm",
        "version": version,
        "primary": True,
        "direction": direction,
        "reason": "activity",
        "origin": "live",
        "from_tier": "silver",
        "to_tier": "gold" if direction == "upgraded" else "iron",
        "effective_at": NOON.isoformat(),
    }
    return {"type": "rapport.tier.changed.v1", "practiceid": "lake", "data": data | fields}


def watermark(up_to: datetime) -> dict[str, Any]:
    return {"type": "rapport.watermark.advanced.v1", "data": {"up_to": up_to.isoformat()}}


def message(version: int, play: str = "thanks", **fields: Any) -> dict[str, Any]:
    return {
        "practice_id": "lake",
        "client_id": "ada",
        "message_id": f"m{version}",
        "play": play,
        "occasion": {"kind": "tier", "id": f"rfm:{version}"},
        "step": 0,
        "purpose": "care",
        "state": "accepted",
        "reason": None,
        "channel": "wechat",
        "due_at": NOON.isoformat(),
        "expires_at": (NOON + 7 * DAY).isoformat(),
        "sent_at": NOON.isoformat(),
    } | fields


def delivery(version: int, **fields: Any) -> dict[str, Any]:
    at = (REAL + timedelta(seconds=5)).isoformat()
    return {
        "message_id": f"m{version}",
        "channel": "wechat",
        "recipient": "openid-ada",
        "at": at,
    } | fields


def box(messages: list[dict[str, Any]], deliveries: list[dict[str, Any]], **more: Any) -> Letterbox:
    changes = more.pop("changes", [change(1, "upgraded")])
    told_by = watermark(more.pop("told_by", NOON))
    person = Reachable({"wechat": "openid-ada", "sms": "13900000001"}, {("wechat", "care")})
    return Letterbox(
        due=due_messages([[*changes, told_by]], PLAYBOOK),
        messages=messages,
        deliveries=deliveries,
        people=more.pop("people", {ADA: person}),
        documents=more.pop("documents", {}),
        steps=STEPS,
    )


CHECKS = (
    "set_faults",
    "unfinished",
    "doubles",
    "log_faults",
    "consent_faults",
    "withheld_faults",
    "cap_faults",
    "clock_faults",
)


def found(letterbox: Letterbox) -> set[str]:
    """Which checks find something."""
    return {name for name in CHECKS if getattr(letterbox, name)()}


def test_messages_follow_from_changes_by_direction_tier_reason_and_origin() -> None:
    changes = [
        change(1, "upgraded"),
        change(2, "upgraded", to_tier="silver"),
        change(3, "upgraded", origin="backfill"),
        change(4, "upgraded", reason="correction"),
        change(5, "downgraded", reason="elapsed_time"),
        change(6, "entered", from_tier=None),
        change(7, "upgraded", primary=False),
        change(1, "upgraded", scheme="ladder"),
    ]
    assert due_messages([changes], PLAYBOOK).keys() == {
        Identity("lake", "ada", "thanks", "tier rfm:1", 0),
        Identity("lake", "ada", "thanks", "tier rfm:4", 0),
        Identity("lake", "ada", "thanks", "tier ladder:1", 0),
        Identity("lake", "ada", "check-in", "tier rfm:5", 0),
    }


def test_where_all_is_well_nothing_is_found() -> None:
    assert found(box([message(1)], [delivery(1)])) == set()


@pytest.mark.parametrize(
    ("messages", "deliveries", "checks"),
    [
        ([], [], {"set_faults"}),
        ([message(1), message(2)], [delivery(1), delivery(2)], {"set_faults"}),
        ([message(1)], [delivery(1), delivery(1)], {"doubles"}),
        ([message(1)], [], {"log_faults"}),
        ([message(1)], [delivery(1), delivery(9)], {"log_faults"}),
        ([message(1, state="sending")], [], {"unfinished", "withheld_faults"}),
        ([message(1)], [delivery(1, channel="sms")], {"consent_faults"}),
        ([message(1)], [delivery(1, recipient="openid-eve")], {"consent_faults"}),
        ([message(1, state="failed")], [], {"withheld_faults"}),
        ([message(1, state="expired")], [], {"withheld_faults"}),
        (
            [message(1, state="suppressed", reason="no-permitted-channel: x")],
            [],
            {"withheld_faults"},
        ),
        ([message(1, state="suppressed", reason="newer-activity")], [], {"withheld_faults"}),
        ([message(1, sent_at=(NOON + 3 * DAY).isoformat())], [delivery(1)], {"clock_faults"}),
    ],
)
def test_each_planted_fault_is_found(
    messages: list[dict[str, Any]], deliveries: list[dict[str, Any]], checks: set[str]
) -> None:
    assert found(box(messages, deliveries)) == checks


def test_a_delivery_without_consent_is_found() -> None:
    people = {ADA: Reachable({"wechat": "openid-ada"}, set())}
    assert found(box([message(1)], [delivery(1)], people=people)) == {"consent_faults"}


def test_a_third_message_in_a_week_is_one_too_many_and_after_it_is_not() -> None:
    changes = [change(version, "upgraded") for version in (1, 2, 3)]
    for last, faults in ((NOON + 7 * DAY, set()), (NOON + 6 * DAY, {"cap_faults"})):
        stamps = [NOON, NOON + DAY, last]
        messages = [message(n, sent_at=at.isoformat()) for n, at in enumerate(stamps, 1)]
        reals = dict(STEPS)
        deliveries = [delivery(n, at=reals[at].isoformat()) for n, at in enumerate(stamps, 1)]
        assert found(box(messages, deliveries, changes=changes)) == faults


def test_who_expires_must_have_been_capped_all_the_time() -> None:
    changes = [change(version, "upgraded") for version in (1, 2, 3)]
    sent_at = NOON.isoformat()
    expired = message(3, state="expired", sent_at=None)
    for ends, faults in ((NOON + 7 * DAY, set()), (NOON + 8 * DAY, {"withheld_faults"})):
        messages = [message(1, sent_at=sent_at), message(2, sent_at=sent_at)]
        messages.append(expired | {"expires_at": ends.isoformat()})
        deliveries = [delivery(1), delivery(2)]
        assert found(box(messages, deliveries, changes=changes)) == faults


@pytest.mark.parametrize(
    ("told_by", "put_off", "faults"),
    [
        (NOON + 7 * DAY, [], set()),
        (NOON + 6 * DAY, [], {"withheld_faults"}),
        (NOON + 7 * DAY, ["put off at noon"], {"withheld_faults"}),
    ],
)
def test_who_was_told_of_too_late_expires_unless_it_was_put_off_before(
    told_by: datetime, put_off: list[str], faults: set[str]
) -> None:
    expired = message(1, state="expired", sent_at=None, put_off=put_off)
    assert found(box([expired], [], told_by=told_by)) == faults


def test_a_retry_may_come_too_late_and_fills_a_cap_until_it_is_known_to_have_failed() -> None:
    changes = [change(version, "upgraded") for version in (1, 2, 3)]
    never = message(3, state="expired", sent_at=None)
    for last, faults in ((REAL + DAY, set()), (REAL, {"withheld_faults"})):
        late = never | {
            "tries": [{"started_at": last.isoformat(), "business_at": NOON.isoformat()}]
        }
        assert found(box([late], [], changes=changes[2:])) == faults
    tried = late["tries"]
    first, failed = message(1), message(2, sent_at=(NOON + 7 * DAY).isoformat(), tries=tried * 2)
    deliveries = [delivery(1), delivery(2, at=(REAL + timedelta(minutes=7)).isoformat())]
    assert found(box([first, failed, never], deliveries, changes=changes)) == set()
    failed["tries"] = []
    assert found(box([first, failed, never], deliveries, changes=changes)) == {"withheld_faults"}


def test_a_suppressed_downgrade_needs_something_newer() -> None:
    changes = [change(1, "downgraded", reason="elapsed_time")]
    quiet = [message(1, "check-in", state="suppressed", reason="newer-activity")]
    booked = [message(1, "check-in", state="suppressed", reason="upcoming-booking")]
    newer = {ADA: [{"time": NOON.isoformat(), "data": {}}]}
    coming = {ADA: [{"time": early(), "data": {"starts_at": (NOON + DAY).isoformat()}}]}
    assert found(box(quiet, [], changes=changes)) == {"withheld_faults"}
    assert found(box(quiet, [], changes=changes, documents=newer)) == set()
    assert found(box(booked, [], changes=changes, documents=newer)) == {"withheld_faults"}
    assert found(box(booked, [], changes=changes, documents=coming)) == set()


def early() -> str:
    """Before the cause."""
    return (NOON - DAY).isoformat()


def test_unknown_is_explained_by_a_kill_in_between_alone() -> None:
    tried = [(message(1, state="unknown"), [{"started_at": REAL.isoformat()}])]
    around = Window(REAL - timedelta(seconds=5), REAL + timedelta(seconds=5))
    before = Window(REAL - timedelta(seconds=9), REAL - timedelta(seconds=5))
    assert unknown_faults(tried, [around]) == []
    assert len(unknown_faults(tried, [before])) == 1
    assert len(unknown_faults(tried, [])) == 1
