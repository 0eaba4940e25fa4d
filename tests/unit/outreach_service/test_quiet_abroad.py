"""Quiet hours are the client's: in the zone that is known, else where practice and number are."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.timezone import time_zones_for_number

from outreach_service.contacts import zones_of_number
from outreach_service.domain.quiet import DEFAULT_HOURS, next_opening
from outreach_service.domain.terms import Channel, Purpose
from tests.unit.outreach_service.memory_outreach import DAY, HOUR, PRACTICE, MemoryOutreach

NEW_YORK = "+12125550123"
SATELLITE = "+870773111632"
E164 = phonenumbers.PhoneNumberFormat.E164
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


def test_a_number_of_no_country_gets_nothing_by_hours(outreach: MemoryOutreach) -> None:
    """A satellite phone may be anywhere, and somewhere it is night."""
    shanghai(outreach, TEN)
    outreach.reachable(address=SATELLITE, zone=None)
    outreach.fall(at=TEN)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours:no-opening")


def test_a_number_of_no_country_goes_by_the_clients_zone(outreach: MemoryOutreach) -> None:
    shanghai(outreach, TEN)
    outreach.reachable(address=SATELLITE, zone="Asia/Shanghai")
    outreach.fall(at=TEN)
    assert len(outreach.dispatch().claimed) == 1


@pytest.mark.parametrize(
    ("number", "some"),
    [
        ("+8613800138000", {"Asia/Shanghai"}),
        ("+85261234567", {"Asia/Hong_Kong"}),
        ("+447924123456", {"Europe/London", "Europe/Isle_of_Man"}),
        (NEW_YORK, {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"}),
        ("+79161234567", {"Europe/Kaliningrad", "Asia/Kamchatka"}),
        ("+61412345678", {"Australia/Perth", "Indian/Christmas", "Indian/Cocos"}),
        ("+38343201234", {"Europe/Belgrade"}),
        ("+24740123", {"Atlantic/St_Helena"}),
    ],
)
def test_a_number_has_the_zones_of_its_country(number: str, some: set[str]) -> None:
    found = zones_of_number(number)
    assert some <= set(found)
    assert len(found) == 1 or number not in {"+8613800138000", "+85261234567", "+38343201234"}


@pytest.mark.parametrize("number", [SATELLITE, "+80012345678", "+99912345678", "no number", ""])
def test_what_belongs_to_no_country_is_open_nowhere(number: str) -> None:
    assert next_opening(TEN, DEFAULT_HOURS[Purpose.CARE], zones_of_number(number)) is None


def numbers_of(region: str) -> list[phonenumbers.PhoneNumber]:
    kinds = phonenumbers.PhoneNumberType.values()
    found = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
    return [each for each in found if each is not None]


def offsets(zones: Iterable[str]) -> set[timedelta]:
    """What the clocks of these zones show, in winter and in summer."""
    days = [datetime(2026, month, 15, 12, tzinfo=UTC) for month in (1, 7)]
    local = [day.astimezone(ZoneInfo(zone)) for zone in zones for day in days]
    return {found for each in local if (found := each.utcoffset()) is not None}


def near(some: set[timedelta], others: set[timedelta]) -> bool:
    return all(min(abs(each - other) for other in others) <= HOUR for each in some)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_each_region_whose_numbers_are_known_has_its_clocks(region: str) -> None:
    """Where the library of phone numbers names one zone by itself, to the hour: it groups countries
    that differ in summer time."""
    for number in numbers_of(region):
        zones = zones_of_number(phonenumbers.format_number(number, E164))
        assert zones
        assert "" not in zones
        named = time_zones_for_number(number)
        assert len(named) > 1 or near(offsets(named), offsets(zones))


@given(
    code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    rest=st.text("0123456789", max_size=13),
)
def test_no_number_raises_and_none_is_without_a_zone(code: int, rest: str) -> None:
    zones = zones_of_number(f"+{code}{rest}")
    assert zones == ("",) or all(map(ZoneInfo, zones))
