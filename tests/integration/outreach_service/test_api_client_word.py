"""What clients said, over REST: forms sent again, shared mailboxes, addresses that change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.unsubscribe import unsubscribe_token
from tests.integration.outreach_service.api_world import LIN, LINK_KEY, WANG, World, a_consent

pytestmark = pytest.mark.integration
BOX = {"channel": "email", "address": "shared.box@example.org"}


def index_of(world: World, client_id: str = LIN) -> str:
    """The blind index of the address that a client has now."""
    indexes = dict(world.rows("SELECT client_id, blind_index FROM contact"))
    return str(indexes[client_id])


def click(world: World, client_id: str = LIN, mailbox: str | None = None) -> None:
    """The link in an e-mail of care that went to this mailbox, else to the client's of now."""
    care = Subscription("harbour", client_id, Channel.EMAIL, Purpose.CARE)
    link = WayOut(care, mailbox or index_of(world, client_id))
    path = f"/v1/unsubscribe/{unsubscribe_token(LINK_KEY, link)}"
    assert world.call("POST", path, key=None).status_code == 200


def care(world: World, client_id: str = LIN) -> dict[str, Any]:
    """What the API shows of a client's consent to care by e-mail."""
    shown = world.call("GET", f"/v1/clients/{client_id}/preferences").json()["consents"]
    (found,) = [each for each in shown if (each["channel"], each["purpose"]) == ("email", "care")]
    assert isinstance(found, dict)
    return found


def test_a_form_that_is_sent_again_adds_no_row_and_no_consent(world: World) -> None:
    form = a_consent(channel="email")
    world.put_contact(**BOX)
    world.put_consent(**form)
    assert care(world)["applies"] is True
    click(world)
    for _ in range(3):
        bulk = {"items": [{"client_id": LIN, **form}]}
        assert world.call("POST", "/v1/consents", json=bulk).status_code == 200
    shown = care(world)
    assert (shown["granted"], shown["applies"], shown["statements"]) == (False, False, 2)


def test_a_click_holds_for_everybody_who_has_the_mailbox(world: World) -> None:
    for client_id, spelling in ((LIN, "shared.box@example.org"), (WANG, "Shared.Box@EXAMPLE.org")):
        world.put_contact(client_id, channel="email", address=spelling)
        world.put_consent(client_id, **a_consent(channel="email"))
    click(world, LIN)
    assert (care(world, WANG)["granted"], care(world, WANG)["applies"]) == (True, False)
    world.put_contact(WANG, channel="email", address="wang@example.org")
    assert care(world, WANG)["applies"] is False


def test_a_click_in_an_old_mail_holds_at_the_mailbox_to_which_it_went(world: World) -> None:
    for client_id in (LIN, WANG):
        world.put_contact(client_id, **BOX)
        world.put_consent(client_id, **a_consent(channel="email"))
    old = index_of(world)
    world.put_contact(channel="email", address="new@example.org")
    click(world, LIN, old)
    assert (care(world, WANG)["granted"], care(world, WANG)["applies"]) == (True, False)
    assert (care(world)["granted"], care(world)["recorded_by"]) == (False, "one-click")
    assert world.rows("SELECT count(*) FROM opt_out") == [(2,)]


def test_a_consent_does_not_apply_to_another_address(world: World) -> None:
    world.put_contact(**BOX)
    world.put_consent(**a_consent(channel="email"))
    world.put_contact(channel="email", address="other@example.org")
    assert (care(world)["granted"], care(world)["applies"]) == (True, False)
    world.put_contact(**BOX)
    assert care(world)["applies"] is True


def test_a_consent_keeps_which_key_told_it(world: World) -> None:
    world.put_contact(**BOX)
    form = {"client_id": LIN, **a_consent(channel="email")}
    world.call("POST", "/v1/consents", json={"items": [form]})
    assert care(world)["recorded_by"] == "harbour"
    click(world)
    assert care(world)["recorded_by"] == "one-click"


def test_a_form_whose_clock_is_ahead_holds_together(world: World) -> None:
    world.put_contact(channel="email", address="old@example.org")
    ahead = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    world.put_consent(**a_consent(channel="email", stated_at=ahead))
    assert world.put_contact(**BOX, valid_from=ahead).status_code == 200
    assert care(world)["applies"] is True
    world.put_consent(**a_consent(channel="email", id="no", stated_at=ahead, granted=False))
    assert care(world)["applies"] is False


def test_what_is_dated_far_ahead_is_refused_by_field(world: World) -> None:
    far = (datetime.now(UTC) + timedelta(hours=50)).isoformat()
    answers = {
        "/valid_from": world.put_contact(**BOX, valid_from=far),
        "/stated_at": world.put_consent(**a_consent(channel="email", stated_at=far)),
    }
    item = {"client_id": LIN, **BOX, "name": "林", "valid_from": far}
    bulk = world.call("POST", "/v1/contacts", json={"items": [item, item | {"valid_from": None}]})
    for pointer, answer in answers.items():
        (error,) = answer.json()["errors"]
        assert answer.status_code == 409
        assert (error["pointer"], error["reason"]) == (pointer, "stated-in-the-future")
    first, second = bulk.json()["items"]
    assert (bulk.status_code, first["pointer"]) == (207, "/valid_from")
    assert second["outcome"] == "saved"
    assert world.rows("SELECT count(*) FROM contact_point") == [(1,)]


def test_an_address_may_say_since_when_it_is_theirs(world: World) -> None:
    world.put_consent(**a_consent(channel="email", stated_at="2024-06-02T12:00:00+08:00"))
    dated = {**BOX, "valid_from": "2024-06-01T12:00:00+08:00"}
    assert world.put_contact(**dated).json()["current"] is True
    assert care(world)["applies"] is True
    older = {"channel": "email", "address": "old@example.org"}
    earlier = world.put_contact(**older, valid_from="2023-06-01T12:00:00+08:00").json()
    assert (earlier["address"], earlier["current"]) == ("***@example.org", False)
    world.put_contact(**dated)
    [shown] = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["contacts"]
    assert shown["address"] == "***@example.org"
    assert care(world)["applies"] is True
    assert world.rows("SELECT count(*) FROM contact_point") == [(2,)]
    item = {"client_id": LIN, **BOX, "name": "林", "valid_from": "2024-06-03T12:00:00+08:00"}
    world.call("POST", "/v1/contacts", json={"items": [item | {"address": "new@example.org"}]})
    assert care(world)["applies"] is False
    assert world.put_contact(**BOX, valid_from="yesterday").status_code == 422
