"""Numbers and addresses over REST: read in the practice's country, refused by name, at rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.outreach_service.api_world import LIN, WANG, MakeWorld, World

pytestmark = pytest.mark.integration
SINCE = datetime(2024, 6, 1, tzinfo=UTC)


def practice(world: World, region: str | None, zone: str) -> None:
    """Harbour, as the bus tells of it."""
    world.run(
        "INSERT INTO practice VALUES ('harbour', '海港', :zone, 'CNY', :region)",
        zone=zone,
        region=region,
    )


def index_of(world: World, client_id: str) -> str:
    """The blind index of a client's phone: equal for equal numbers."""
    indexes = dict(world.rows("SELECT client_id, blind_index FROM contact WHERE channel = 'sms'"))
    return str(indexes[client_id])


@pytest.mark.parametrize(
    ("region", "zone", "typed", "whole"),
    [
        pytest.param(None, "Asia/Shanghai", "138 0013 8000", "+8613800138000", id="the zone's"),
        pytest.param("US", "Asia/Shanghai", "(415) 555-2671", "+14155552671", id="its own"),
        pytest.param("JP", "Asia/Tokyo", "090-1234-5678", "+819012345678", id="Japan"),
    ],
)
def test_a_number_without_country_code_is_one_of_the_practices_country(
    world: World, region: str | None, zone: str, typed: str, whole: str
) -> None:
    practice(world, region, zone)
    assert world.put_contact(LIN, address=typed).status_code == 200
    assert world.put_contact(WANG, address=whole).status_code == 200
    assert index_of(world, LIN) == index_of(world, WANG)


def refusal(world: World, address: str) -> Any:
    answer = world.put_contact(address=address)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/address"
    bulk = {"client_id": LIN, "channel": "sms", "address": address, "name": "林"}
    items = world.call("POST", "/v1/contacts", json={"items": [bulk]}).json()["items"]
    assert [each["detail"] for each in items] == [error["detail"]]
    return error["detail"]


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("138 0013 8000", "needs + and its country code"),
        ("+86 10 1234 5678", "is not the number of a mobile phone"),
        ("+86 400 123 4567", "is not the number of a mobile phone"),
        ("+1 386 258 1234", "is a number of US; SMS go to CN, HK alone"),
    ],
)
def test_a_number_that_cannot_be_served_is_refused_by_name(
    make_world: MakeWorld, address: str, detail: str
) -> None:
    """The practice is not known yet."""
    world = make_world(simulated=False, serves={"CN", "HK"})
    assert refusal(world, address) == detail


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("=?utf-8?q?x?=@example.com", "is not an e-mail address"),
        ("用户@example.com", "has letters before the @ that not every relay takes"),
    ],
)
def test_an_address_that_relays_read_otherwise_is_refused(
    world: World, address: str, detail: str
) -> None:
    answer = world.put_contact(channel="email", address=address)
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (422, detail)


def test_one_mailbox_has_one_index_however_it_is_spelled(world: World) -> None:
    spellings = ["Shared.Box@xn--r8jz45g.jp", "shared.box@例え.jp", "shared.box@例え.JP"]
    for client_id, address in zip((LIN, WANG, "f" * 32), spellings, strict=True):
        shown = world.put_contact(client_id, channel="email", address=address).json()
        assert shown["address"] == "***@xn--r8jz45g.jp"
    assert world.rows("SELECT count(DISTINCT blind_index) FROM contact") == [(1,)]


def resting(world: World) -> Any:
    """What the API shows of Lin's phone."""
    (contact,) = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["contacts"]
    return contact["resting"]


def rest(world: World, until: datetime | None = None) -> None:
    """The provider has said that nothing arrives at Lin's phone."""
    world.run(
        "INSERT INTO contact_rest SELECT practice_id, blind_index, 'sms:gone', :since, :until"
        " FROM contact",
        since=SINCE,
        until=until,
    )


def test_a_contact_that_rests_says_why_and_a_new_address_does_not_rest(world: World) -> None:
    world.put_contact()
    assert resting(world) is None
    rest(world)
    assert resting(world) == {"reason": "sms:gone", "since": "2024-06-01T00:00:00Z", "until": None}
    world.put_contact()
    assert resting(world) is not None
    world.put_contact(address="+8613900139000")
    assert resting(world) is None


@pytest.mark.parametrize(("days", "rests"), [(1, False), (-1, True)])
def test_a_consent_that_is_stated_later_ends_a_rest(
    world: World, days: int, *, rests: bool
) -> None:
    world.put_contact()
    rest(world)
    stated_at = (SINCE + timedelta(days=days)).isoformat()
    assert world.put_consent(stated_at=stated_at).status_code == 200
    assert (resting(world) is not None) is rests


def test_a_channel_whose_account_is_refused_says_so(world: World) -> None:
    world.run(
        "INSERT INTO permit VALUES ('sms', 0, 1, 3, now(), 1, 'sms:isv.OUT_OF_SERVICE', :at, :at)",
        at=SINCE,
    )
    shown = {each["channel"]: each for each in world.call("GET", "/v1/channels").json()["items"]}
    assert shown["email"]["closed"] is None
    assert shown["sms"]["closed"] == {
        "code": "sms:isv.OUT_OF_SERVICE",
        "since": "2024-06-01T00:00:00Z",
        "until": "2024-06-01T00:00:00Z",
    }


def test_a_contact_may_say_the_clients_zone(world: World) -> None:
    """The next one without a zone takes it back."""
    saved = world.put_contact(zone="America/New_York").json()
    shown = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["contacts"]
    assert saved["zone"] == shown[0]["zone"] == "America/New_York"
    bulk = {"client_id": LIN, "channel": "sms", "address": "+8613800138000", "name": "林"}
    items = [{**bulk, "zone": "Europe/London"}, {**bulk, "zone": "Mars/Olympus"}]
    answer = world.call("POST", "/v1/contacts", json={"items": items}).json()["items"]
    assert [each["outcome"] == "saved" for each in answer] == [True, False]
    world.put_contact()
    shown = world.call("GET", f"/v1/clients/{LIN}/preferences").json()["contacts"]
    assert shown[0]["zone"] is None
