"""Clocks ahead: what one form says holds together, and a withdrawal holds at once."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    Refused,
    SavedContact,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import save_consents, save_contacts
from outreach_service.ports import NoBusinessTime
from tests.support.doubles.open_cipher import OpenCipher
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    BEN,
    HOUR,
    MINUTE,
    NOON,
    PRACTICE,
    MemoryOutreach,
)

BOX, OLD = "box@example.org", "old@example.org"
AHEAD = 48 * HOUR
MICROSECOND = timedelta(microseconds=1)
SKEWS = st.integers(1, 48 * 60).map(lambda minutes: minutes * MINUTE)
DELAYS = st.integers(0, 60).map(lambda minutes: minutes * MINUTE)


def put(
    outreach: MemoryOutreach, since: datetime | None, address: str = BOX, client: str = ADA
) -> SavedContact | Refused:
    """What becomes of an address."""
    update = ContactUpdate(client, Channel.EMAIL, address, "A", "en", since)
    (saved,) = save_contacts(outreach.stores, OpenCipher(), PRACTICE, [update])
    return saved


def state(
    outreach: MemoryOutreach, at: datetime, client: str = ADA, *, granted: bool = True
) -> Refused | None:
    """Why a statement was refused, if it was."""
    about = (client, Channel.EMAIL, Purpose.CARE, granted, "form", "1")
    statement = ConsentStatement(f"{client} {at} {granted}", at, *about)
    return save_consents(outreach.stores, PRACTICE, [statement], "k1").get(0)


def goes_to(outreach: MemoryOutreach, *clients: str) -> list[str]:
    """The addresses at which consents to care hold."""
    with outreach.stores.open() as store:
        found = store.clients.reachable([(PRACTICE, client) for client in clients])
    return [
        outreach.rows.contacts[practice_id, client, Channel.EMAIL].address
        for practice_id, client in sorted(found)
    ]


@given(skew=SKEWS, before=DELAYS, delay=DELAYS, contact_first=st.booleans(), has_old=st.booleans())
def test_the_consent_of_a_form_holds_for_the_address_of_the_form(
    skew: timedelta,
    before: timedelta,
    delay: timedelta,
    *,
    contact_first: bool,
    has_old: bool,
) -> None:
    """However far its clock is ahead, whichever comes first, and how long after."""
    outreach = MemoryOutreach()
    if has_old:
        put(outreach, NOON - 9 * HOUR, OLD)
    form = NOON + skew
    tells = [lambda: put(outreach, form), lambda: state(outreach, form)]
    outreach.stores.business_time = NOON + min(before, skew)
    for number, tell in enumerate(tells if contact_first else reversed(tells)):
        outreach.stores.business_time += number * delay
        assert not isinstance(tell(), Refused)
    assert goes_to(outreach, ADA) == [BOX]


@given(skew=SKEWS, since=SKEWS)
def test_a_consent_that_is_dated_ahead_is_not_carried_to_an_address_of_another_clock(
    skew: timedelta, since: timedelta
) -> None:
    outreach = MemoryOutreach()
    put(outreach, NOON - HOUR)
    state(outreach, NOON + skew)
    outreach.stores.business_time = NOON + since
    put(outreach, None, "new@example.org")
    assert goes_to(outreach, ADA) == []


@given(skew=SKEWS, moves_after=SKEWS)
def test_a_withdrawal_that_is_dated_ahead_holds_at_once_and_at_its_address(
    skew: timedelta, moves_after: timedelta
) -> None:
    outreach = MemoryOutreach()
    for client in (ADA, BEN):
        put(outreach, NOON - 9 * HOUR, client=client)
        state(outreach, NOON - HOUR, client)
    state(outreach, NOON + skew, granted=False)
    assert goes_to(outreach, ADA, BEN) == []
    outreach.stores.business_time = NOON + moves_after
    put(outreach, None, "new@example.org")
    assert goes_to(outreach, ADA, BEN) == []


@pytest.mark.parametrize(
    ("ahead", "why"), [(AHEAD, None), (AHEAD + MICROSECOND, Refused.IN_THE_FUTURE)]
)
def test_consents_and_addresses_are_refused_alike(
    outreach: MemoryOutreach, ahead: timedelta, why: Refused | None
) -> None:
    saved = put(outreach, NOON + ahead)
    assert state(outreach, NOON + ahead) == why
    assert (saved if isinstance(saved, Refused) else None) == why
    assert len(outreach.rows.contacts) == len(outreach.rows.points) == (why is None)
    assert state(outreach, NOON + ahead, granted=False) is None


def test_before_there_is_a_time_no_address_that_is_dated_is_saved(
    outreach: MemoryOutreach,
) -> None:
    outreach.stores.business_time = None
    with pytest.raises(NoBusinessTime):
        put(outreach, NOON)
    assert outreach.rows.contacts == {}
