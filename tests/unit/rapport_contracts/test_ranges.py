"""What counts as a currency, a zone and an instant, wherever a value comes in."""

import re
import sys
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from rapport_contracts import ranges
from rapport_contracts.ranges import (
    EARLIEST,
    FIRST_DAY,
    LAST_DAY,
    LATEST,
    NAME,
    REGION,
    currencies,
    regions,
    zones,
)


@pytest.mark.parametrize(
    ("code", "decimals"), [("CNY", 2), ("JPY", 0), ("KWD", 3), ("VND", 0), ("PYG", 0), ("USD", 2)]
)
def test_a_currency_has_its_own_number_of_decimals(code: str, decimals: int):
    assert currencies()[code] == decimals


@pytest.mark.parametrize("code", ["RMB", "XYZ", "cny", "XXX", "XTS", "XAU", ""])
def test_what_has_no_minor_unit_is_no_currency(code: str):
    assert code not in currencies()


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Argentina/Ushuaia", "UTC", "Etc/GMT+3"])
def test_an_iana_name_is_a_zone(zone: str):
    assert zone in zones()


@pytest.mark.parametrize(
    "zone", ["localtime", "Factory", "posixrules", "posix/Asia/Tokyo", "Asia/Beijing", "+08:00", ""]
)
def test_a_file_that_is_no_name_of_iana_is_no_zone(zone: str):
    assert zone not in zones()


@pytest.mark.parametrize("code", ["CN", "GB", "HK", "ZW", "AD"])
def test_a_code_of_iso_3166_is_a_region(code: str):
    assert code in regions()


@pytest.mark.parametrize("code", ["UK", "EU", "ZZ", "XX", "cn", "CHN", "#", ""])
def test_two_letters_that_are_no_country_are_no_region(code: str):
    assert code not in regions()


def test_a_region_looks_as_the_documents_say():
    assert [code for code in regions() if not re.fullmatch(REGION, code)] == []


def test_every_zone_can_be_loaded():
    assert all(ZoneInfo(zone) for zone in ranges.zones())


def test_what_prints_and_is_no_blank_is_visible():
    """So intake may take a text that prints without a closer look."""
    printed = (each for each in map(chr, range(sys.maxunicode + 1)) if each.isprintable())
    assert [each for each in printed if each != " " and not re.fullmatch(NAME, each)] == []


def test_an_instant_in_range_has_a_day_in_range_in_every_zone():
    last = LATEST - timedelta(microseconds=1)
    for zone in map(ZoneInfo, zones()):
        assert EARLIEST.astimezone(zone).date() >= FIRST_DAY
        assert last.astimezone(zone).date() <= LAST_DAY
