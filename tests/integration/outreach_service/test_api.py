"""Contacts and consents over REST: sealed, masked, one practice's only; no is the last word."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.store.locks import lock_clients
from outreach_service.unsubscribe import unsubscribe_token
from tests.integration.outreach_service.api_world import (
    DAY_1,
    DAY_2,
    LIN,
    LINK_KEY,
    PLAY,
    WANG,
    MakeWorld,
    World,
    a_consent,
)

pytestmark = pytest.mark.integration

LINK = WayOut(Subscription("harbour", LIN, Channel.EMAIL, Purpose.MARKETING), "a" * 64)
TOKEN = unsubscribe_token(LINK_KEY, LINK)
TABLES = (
    *("contact", "contact_point", "consent", "permission", "opt_out", "message", "attempt"),
    *("playbook", "client", "booking", "practice"),
)


def test_a_contact_is_sealed_masked_and_found_again_by_its_index(world: World) -> None:
    answer = world.put_contact(address="＋８６ １３８ ０013-8000")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "client_id": LIN,
            "channel": "sms",
            "address": "***8000",
            "language": "zh-CN",
            "zone": None,
            "current": True,
        },
    )
    assert world.put_contact(WANG, address="+8613800138000", name="王芳").status_code == 200
    mail = {"channel": "email", "address": "lin.canary@Example.com", "name": "Canary Lin"}
    assert world.put_contact(**mail, language="en").json()["address"] == "***@example.com"
    shown = world.call("GET", f"/v1/clients/{LIN}/preferences")
    assert [one["address"] for one in shown.json()["contacts"]] == ["***@example.com", "***8000"]
    [dump] = world.rows("SELECT string_agg(contact::text, ' ') FROM contact")
    for canary in ("13800138000", "38001380", "林小满", "王芳", "canary", "Canary"):
        assert canary not in dump[0]
        assert canary not in shown.text
    family = world.rows("SELECT count(DISTINCT blind_index) FROM contact WHERE channel = 'sms'")
    assert family == [(1,)]


def test_a_contact_is_replaced_and_forgotten(world: World) -> None:
    world.put_contact()
    world.put_contact(address="+8613900139000")
    assert world.rows("SELECT count(*) FROM contact") == [(1,)]
    place = f"/v1/clients/{LIN}/contacts/sms"
    assert [world.call("DELETE", place).status_code for _ in range(2)] == [204, 404]
    assert world.rows("SELECT count(*) FROM contact") == [(0,)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "12345"}, "address"),
        ({"channel": "email", "address": "nobody"}, "address"),
        ({"channel": "wechat", "address": "short"}, "address"),
        ({"channel": "fax"}, "channel"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"language": "fr"}, "language"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "localtime"}, "zone"),
    ],
)
def test_a_wrong_contact_is_refused_by_field(
    world: World, changes: dict[str, Any], field: str
) -> None:
    answer = world.put_contact(**changes)
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["pointer"]) == (422, f"/{field}")
    assert world.rows("SELECT count(*) FROM contact") == [(0,)]


def test_the_last_word_holds_and_every_word_is_kept(world: World) -> None:
    for granted in (True, False, True, False):
        assert world.put_consent(granted=granted).status_code == 200
    world.put_consent(purpose="service")
    consents = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["consents"]
    assert [(one["purpose"], one["granted"], one["statements"]) for one in consents] == [
        ("care", False, 4),
        ("service", True, 1),
    ]
    assert (consents[0]["evidence"], consents[0]["text_version"]) == ("form 118", "care-1")
    with pytest.raises(sa.exc.ProgrammingError), world.api.transaction("harbour") as tx:
        tx.execute(sa.text("UPDATE consent SET granted = true"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"granted": "yes"}, "granted"),
        ({"evidence": ""}, "evidence"),
        ({"text_version": "\t"}, "text_version"),
        ({"purpose": "fun"}, "purpose"),
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": "s1 "}, "id"),
        ({"id": "\u200b"}, "id"),
        ({"stated_at": "2024-06-01T12:00:00"}, "stated_at"),
        ({"stated_at": 1717200000}, "stated_at"),
        ({"stated_at": "1989-12-31T23:59:59Z"}, "stated_at"),
    ],
)
def test_a_wrong_consent_is_refused_by_field(
    world: World, changes: dict[str, Any], field: str
) -> None:
    answer = world.put_consent(**changes)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_refused_word_is_told_which_are_known(world: World) -> None:
    for changes, known in (
        ({"purpose": "fun"}, ("service", "care", "marketing")),
        ({"channel": "fax"}, ("wechat", "sms", "email")),
    ):
        [fault] = world.put_consent(**changes).json()["errors"]
        assert all(word in fault["detail"] for word in known)


def test_a_statement_that_is_sent_again_is_answered_alike_and_recorded_once(world: World) -> None:
    statement = a_consent()
    first, again = (world.put_consent(**statement) for _ in range(2))
    assert (first.status_code, first.json()["stated_at"]) == (200, statement["stated_at"])
    assert (again.status_code, again.json()) == (200, first.json())
    [shown] = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["consents"]
    assert (shown["id"], shown["statements"]) == (statement["id"], 1)


def test_every_answer_tells_an_instant_in_utc(world: World) -> None:
    saved = world.put_consent(stated_at="2024-06-01T12:00:00+08:00").json()
    [shown] = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["consents"]
    assert saved["stated_at"] == shown["stated_at"] == "2024-06-01T04:00:00Z"


def test_an_id_stands_for_one_statement(world: World) -> None:
    statement = a_consent()
    world.put_consent(**statement)
    for client, changes in ((LIN, {"granted": False}), (WANG, {})):
        answer = world.put_consent(client, **statement | changes)
        assert (answer.status_code, answer.json()["reason"]) == (409, "conflicting-duplicate")
    assert world.consents() == {("sms", "care"): True}
    assert world.rows("SELECT count(*) FROM consent") == [(1,)]


def test_of_many_statements_the_refused_ones_are_named_and_the_others_saved(world: World) -> None:
    known = a_consent()
    world.put_consent(**known)
    ahead = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    items = [
        a_consent(purpose="fun"),
        known | {"granted": False},
        a_consent(stated_at=ahead),
        known,
        a_consent(purpose="service"),
    ]
    body = {"items": [{"client_id": LIN, **item} for item in items]}
    answer = world.call("POST", "/v1/consents", json=body)
    assert answer.status_code == 207
    assert [(one["pointer"], one["reason"]) for one in answer.json()["items"][1:]] == [
        ("/id", "conflicting-duplicate"),
        ("/stated_at", "stated-in-the-future"),
        (None, None),
        (None, None),
    ]
    assert answer.json()["items"][0]["pointer"] == "/purpose"
    assert world.consents() == {("sms", "care"): True, ("sms", "service"): True}


def test_of_two_statements_the_one_that_was_made_last_holds(world: World) -> None:
    earlier, later = a_consent(granted=True), a_consent(granted=False)
    for statement in (later, earlier):
        assert world.put_consent(**statement).status_code == 200
    assert world.consents() == {("sms", "care"): False}


def test_of_many_items_the_wrong_ones_are_named_and_the_others_saved(world: World) -> None:
    good = {"client_id": LIN, "channel": "sms", "address": "+8613800138000", "name": "林"}
    items = [
        good,
        {**good, "address": "1"},
        {**good, "client_id": "x"},
        "no object",
        {**good, "address": "+8613900139000"},
        {**good, "client_id": WANG},
    ]
    answer = world.call("POST", "/v1/contacts", json={"items": items})
    outcomes = [(one["outcome"], one["pointer"]) for one in answer.json()["items"]]
    assert (answer.status_code, [one["index"] for one in answer.json()["items"]]) == (
        207,
        list(range(6)),
    )
    assert outcomes == [
        ("saved", None),
        ("rejected", "/address"),
        ("rejected", "/client_id"),
        ("rejected", ""),
        ("saved", None),
        ("saved", None),
    ]
    contacts = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["contacts"]
    assert [one["address"] for one in contacts] == ["***9000"]
    consents = [
        {"client_id": LIN, **a_consent(granted=granted)} for granted in (False, True, False)
    ]
    answer = world.call("POST", "/v1/consents", json={"items": consents})
    assert (answer.status_code, world.consents()) == (200, {("sms", "care"): False})
    assert world.call("POST", "/v1/consents", json={"items": []}).status_code == 422


def test_consents_are_stamped_in_business_time_and_refused_before_there_is_any(
    make_world: MakeWorld,
) -> None:
    world = make_world(simulated=True)
    world.read_up_to(DAY_1, but_one=True)
    answer = world.put_consent()
    assert (answer.status_code, answer.json()["type"]) == (
        503,
        "urn:rapport:problem:no-business-time",
    )
    assert world.put_contact().status_code == 200
    world.read_up_to(DAY_2)
    world.read_up_to(DAY_1, but_one=True)
    assert world.put_consent().status_code == 200
    [shown] = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["consents"]
    assert shown["recorded_at"] == "2024-06-01T00:00:00Z"
    beyond = (DAY_1 + timedelta(hours=48, seconds=1)).isoformat()
    refused = world.put_consent(stated_at=beyond)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "/stated_at")


def test_another_practices_key_sees_nothing(world: World) -> None:
    world.put_contact()
    world.put_consent()
    world.put_consent(purpose="service", granted=False)
    world.add_message("a" * 32)
    world.call("PUT", "/v1/playbook", json={"key": "ours", "plays": [PLAY]})
    world.fill_what_the_bus_tells()
    theirs = {"key": "lakeside"}
    assert world.call("GET", f"/v1/clients/{LIN}/preferences", **theirs).status_code == 404
    assert world.call("DELETE", f"/v1/clients/{LIN}/contacts/sms", **theirs).status_code == 404
    assert world.call("GET", "/v1/messages", **theirs).json()["items"] == []
    assert world.call("GET", "/v1/messages/summary", **theirs).json() == {"items": []}
    for method, path in (("GET", ""), ("POST", "/approve"), ("POST", "/cancel")):
        answer = world.call(method, f"/v1/messages/{'a' * 32}{path}", **theirs)
        assert answer.status_code == 404
    assert world.call("GET", "/v1/playbook", **theirs).json()["version"] == 0
    channels = world.call("GET", "/v1/channels", **theirs).json()["items"]
    assert [one["waiting"] for one in channels] == [0, 0]
    assert world.call("GET", f"/v1/clients/{LIN}/preferences", key="operator").status_code == 403
    for table in TABLES:
        count = sa.select(sa.func.count()).select_from(sa.table(table))
        seen = []
        for practice in ("harbour", "lakeside", None):
            with world.api.transaction(practice) as tx:
                seen.append(tx.execute(count).scalar_one())
        assert (seen[0] > 0, seen[1:]) == (True, [0, 0]), table
    with pytest.raises(sa.exc.ProgrammingError), world.api.transaction("lakeside") as tx:
        tx.execute(
            sa.text(
                "INSERT INTO consent (practice_id, statement_id, stated_at, client_id, channel,"
                " purpose, granted, evidence, text_version, recorded_at) VALUES ('harbour', 'x',"
                " now(), 'x', 'sms', 'care', true, 'x', 'x', now())"
            )
        )


def test_each_click_withdraws_and_looking_does_not(world: World) -> None:
    world.put_consent(channel="email", purpose="marketing")
    world.put_consent(channel="email", purpose="care")
    page = world.call("GET", f"/v1/unsubscribe/{TOKEN}", key=None)
    assert (page.status_code, '<form method="post">' in page.text) == (200, True)
    head = world.call("HEAD", f"/v1/unsubscribe/{TOKEN}?utm_source=mail", key=None)
    assert (head.status_code, head.content) == (200, b"")
    asked = world.call("OPTIONS", f"/v1/unsubscribe/{TOKEN}", key=None)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert world.consents() == {("email", "care"): True, ("email", "marketing"): True}
    for _ in range(2):
        click = {"data": {"List-Unsubscribe": "One-Click"}}
        answer = world.call("POST", f"/v1/unsubscribe/{TOKEN}", key=None, **click)
        assert answer.status_code == 200
    assert world.consents() == {("email", "care"): True, ("email", "marketing"): False}
    assert world.rows("SELECT evidence FROM consent WHERE NOT granted") == [("one-click",)] * 2
    again = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    world.put_consent(channel="email", purpose="marketing", stated_at=again)
    assert world.consents()["email", "marketing"] is True
    world.call("POST", f"/v1/unsubscribe/{TOKEN}", key=None)
    assert world.consents()["email", "marketing"] is False


@pytest.mark.parametrize(
    "token",
    [
        TOKEN[:-4] + "AAAA",
        "A" + TOKEN[1:],
        unsubscribe_token(bytes(32), LINK),
        TOKEN + "/",
        TOKEN[:20] + "/" + TOKEN[20:],
        "A" * 2000,
        "",
        "x",
        "退订",
    ],
)
def test_a_link_that_was_not_signed_here_is_unknown(world: World, token: str) -> None:
    world.put_consent(channel="email", purpose="marketing")
    for method in ("GET", "POST", "OPTIONS"):
        answer = world.call(method, f"/v1/unsubscribe/{token}", key=None)
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
        page = world.call(
            method, f"/v1/unsubscribe/{token}", key=None, headers={"Accept": "text/html,*/*;q=0.8"}
        )
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert ("链接" in page.text, "damaged" in page.text) == (True, True)
    assert world.consents() == {("email", "marketing"): True}


def test_a_link_holds_nothing_personal(world: World) -> None:
    world.put_contact(channel="email", address="lin.canary@example.com", name="Canary")
    assert len(TOKEN) < 300
    assert "canary" not in TOKEN.lower()


@pytest.mark.parametrize("write", ["consent", "contact", "click"])
def test_a_write_waits_for_a_claim_of_the_same_client(world: World, write: str) -> None:
    """The claim commits first, or does not see what is withdrawn (R25)."""
    writes = {
        "consent": lambda: world.put_consent(granted=False),
        "contact": world.put_contact,
        "click": lambda: world.call("POST", f"/v1/unsubscribe/{TOKEN}", key=None),
    }
    answers: list[int] = []
    writer = threading.Thread(target=lambda: answers.append(writes[write]().status_code))
    with world.worker.transaction() as tx:
        lock_clients(tx, [("harbour", WANG), ("harbour", LIN)])
        writer.start()
        assert world.put_contact("3" * 32).status_code == 200
        writer.join(0.5)
        assert answers == []
    writer.join(10)
    assert answers == [200]
