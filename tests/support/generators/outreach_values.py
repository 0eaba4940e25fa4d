"""Values for tests of outreach, with what matters to a test as arguments."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from outreach_service.documents.playbooks import read_playbook
from outreach_service.domain.gates import Context, SentMessage
from outreach_service.domain.playbook import Mode, Play, Playbook
from outreach_service.domain.rules import DEFAULT_RULES
from outreach_service.domain.terms import (
    Change,
    Channel,
    Direction,
    Origin,
    Purpose,
    Reason,
)

NOON_IN_SHANGHAI = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
EVERYTHING = frozenset((channel, purpose) for channel in Channel for purpose in Purpose)
REACHABLE = {Channel.WECHAT: "openid-1", Channel.SMS: "phone-1", Channel.EMAIL: "mail-1"}


def a_play_document(**changes: Any) -> dict[str, Any]:
    """A valid play in its wire form, which answers at once; a change of None removes the key."""
    document = {
        "key": "check-in",
        "when": {"directions": ["downgraded"], "to_tiers": ["bronze"]},
        "purpose": "care",
        "mode": "send",
        "settles_after": "PT0S",
        "steps": [
            {
                "channels": [
                    {"channel": "wechat", "template": "check-in"},
                    {"channel": "sms", "template": "check-in"},
                    {"channel": "email", "template": "check-in"},
                ]
            }
        ],
    }
    merged = {**document, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def a_playbook(*plays: dict[str, Any]) -> Playbook:
    return read_playbook({"key": "test", "plays": list(plays)})


def a_play(**changes: Any) -> Play:
    return a_playbook(a_play_document(**changes)).plays[0]


def a_marketing_play(**changes: Any) -> Play:
    routes = [{"channel": name, "template": "win-back"} for name in ("sms", "email")]
    return a_play(**{"purpose": "marketing", "steps": [{"channels": routes}], **changes})


def a_change(**changes: Any) -> Change:
    known = Change(
        practice_id="harbour",
        client_id="crunchy-armchair",
        scheme="rfm",
        version=3,
        primary=True,
        from_tier="silver",
        to_tier="bronze",
        direction=Direction.DOWNGRADED,
        reason=Reason.ELAPSED_TIME,
        origin=Origin.LIVE,
        effective_at=NOON_IN_SHANGHAI - timedelta(hours=12),
    )
    return replace(known, **changes)


def a_context(**changes: Any) -> Context:
    """A message that nothing stands in the way of."""
    play = changes.pop("play", None) or a_play()
    now = changes.pop("now", NOON_IN_SHANGHAI)
    known = Context(
        now=now,
        play=play,
        step=play.steps[0],
        change=a_change(effective_at=now - timedelta(hours=1)),
        due_at=now,
        approved=False,
        contacts=REACHABLE,
        consents=EVERYTHING,
        zones=("Asia/Shanghai",),
        sent=(),
        booking_at=None,
        activity_at=None,
        inputs_up_to=now,
        rules=DEFAULT_RULES,
    )
    return replace(known, **changes)


def a_sent(at: datetime, **changes: Any) -> SentMessage:
    known = SentMessage(
        at=at,
        purpose=Purpose.CARE,
        client_id="crunchy-armchair",
        contact="openid-1",
        template="another",
    )
    return replace(known, **changes)


def in_mode(mode: Mode) -> Play:
    return a_play(mode=str(mode))
