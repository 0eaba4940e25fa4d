"""Quiet hours are the client's: in the zone that is known, else where practice and number are."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from outreach_service.contacts import zones_of_number
from outreach_service.domain.terms import Channel, Purpose
from tests.unit.outreach_service.memory_outreach import DAY, PRACTICE, MemoryOutreach

NEW_YORK = "+12125550123"
SHANGHAI, EASTERN = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
TEN = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)


def shanghai(outreach: MemoryOutreach, at: datetime, zone: str = "Asia/Shanghai") -> None:
    """A practice, whose time is `at`."""
    outreach.rows.practices[PRACTICE] = {"name": "Harbour", "zone": zone}
    outreach.stores.business_time = at


def test_a_number_abroad_gets_no_message_at_its_night(outreach: MemoryOutreach) -> None:
    """10:00 in Shanghai is 21:00 in New York; in winter their days meet for half an hour."""
    shanghai(outreach, TEN)
    outreach.reachable(address=NEW_YORK, zone=None)
    outreach.fall(at=TEN)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours")
    assert outreach.message().decide_at == TEN.replace(hour=9) + DAY
    assert outreach.rows.permits[Channel.SMS] == 1000
    assert outreach.message().attempts == 0


def test_a_client_abroad_whose_zone_is_known_gets_it_by_day(outreach: MemoryOutreach) -> None:
    shanghai(outreach, TEN)
    outreach.reachable(address=NEW_YORK, zone="America/New_York")
    outreach.fall(at=TEN)
    assert outreach.dispatch().claimed == []
    morning = datetime(2026, 3, 2, 9, tzinfo=EASTERN)
    assert outreach.state() == ("deferred", "quiet-hours")
    assert outreach.message().decide_at == morning
    outreach.stores.business_time = morning
    assert len(outreach.dispatch().claimed) == 1


def test_a_known_zone_counts_for_every_channel(outreach: MemoryOutreach) -> None:
    """It is the person's, whichever contact point names it."""
    shanghai(outreach, TEN)
    outreach.reachable(address=NEW_YORK, zone="America/New_York")
    outreach.consent(granted=False)
    outreach.reachable(channel=Channel.EMAIL, address="ada@example.net", zone=None)
    outreach.fall(at=TEN)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours")


def test_of_several_zones_of_a_country_the_strictest_counts(outreach: MemoryOutreach) -> None:
    """At noon in New York it is not yet day in Hawaii."""
    noon = datetime(2026, 3, 2, 12, tzinfo=EASTERN)
    shanghai(outreach, noon, "America/New_York")
    outreach.reachable(address=NEW_YORK, zone=None)
    outreach.fall(at=noon)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours")
    opens = outreach.message().decide_at
    assert opens == datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("Pacific/Honolulu"))
    outreach.stores.business_time = opens
    assert len(outreach.dispatch().claimed) == 1


def test_a_number_of_the_practices_country_goes_by_day(outreach: MemoryOutreach) -> None:
    shanghai(outreach, TEN.replace(hour=9))
    outreach.reachable(zone=None)
    outreach.fall(at=TEN.replace(hour=9))
    assert len(outreach.dispatch().claimed) == 1


def test_a_known_zone_does_not_open_promotion_at_shanghais_night(
    outreach: MemoryOutreach,
) -> None:
    """The hours of the channel hold beside the client's (L12)."""
    evening = datetime(2026, 3, 2, 15, tzinfo=ZoneInfo("Europe/London"))
    shanghai(outreach, evening, "Europe/London")
    outreach.reachable(purpose=Purpose.MARKETING)
    outreach.fall(
        at=evening,
        purpose="marketing",
        steps=[{"channels": [{"channel": "sms", "template": "win-back"}]}],
    )
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours")
    assert outreach.message().decide_at == datetime(2026, 3, 3, 9, tzinfo=ZoneInfo("Europe/London"))


def test_while_the_practice_is_not_known_no_zone_of_a_client_stands_in(
    outreach: MemoryOutreach,
) -> None:
    outreach.reachable()
    outreach.fall()
    del outreach.rows.practices[PRACTICE]
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "practice-unknown")


def test_where_two_days_never_meet_a_message_does_not_wait_beyond_its_end(
    outreach: MemoryOutreach,
) -> None:
    """In summer 9:00 in Shanghai is 21:00 in New York."""
    june = TEN.replace(month=6)
    shanghai(outreach, june)
    outreach.reachable(address=NEW_YORK, zone=None)
    outreach.fall(at=june)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours:no-opening")
    assert outreach.message().decide_at == june + 7 * DAY
    outreach.stores.business_time = june + 7 * DAY
    assert outreach.dispatch().claimed == []
    assert outreach.state()[0] == "expired"


@pytest.mark.parametrize(
    ("number", "some"),
    [
        ("+8613800138000", {"Asia/Shanghai"}),
        ("+85261234567", {"Asia/Hong_Kong"}),
        ("+447400123456", {"Europe/London"}),
        (NEW_YORK, {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"}),
        ("+79161234567", {"Europe/Kaliningrad", "Asia/Kamchatka"}),
        ("+80012345678", set()),
        ("no number", set()),
    ],
)
def test_a_number_has_the_zones_of_its_country(number: str, some: set[str]) -> None:
    found = zones_of_number(number)
    assert some <= set(found)
    assert bool(found) is bool(some)
    assert len(found) == 1 or number not in {"+8613800138000", "+85261234567", "+447400123456"}
