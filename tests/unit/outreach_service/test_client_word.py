"""Against what clients said nothing goes, in the cases in which it did; and to whom it goes."""

from collections.abc import Sequence
from datetime import datetime

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    SavedContact,
    Subscription,
    WayOut,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import (
    remove_contact,
    save_consents,
    save_contacts,
    view_preferences,
    withdraw_by_link,
)
from outreach_service.ports.records import ContactKey
from tests.support.doubles.open_cipher import OpenCipher
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    BEN,
    CALLER,
    DAY,
    HOUR,
    NOON,
    PRACTICE,
    MemoryOutreach,
)

BOX = "shared.box@example.org"
FORM = NOON - 600 * DAY


def put_address(
    outreach: MemoryOutreach,
    client: str = ADA,
    address: str = BOX,
    since: datetime | None = None,
) -> bool:
    """Whether messages go there now."""
    update = ContactUpdate(client, Channel.EMAIL, address, "A", "en", since)
    (saved,) = save_contacts(outreach.stores, OpenCipher(), PRACTICE, [update])
    return isinstance(saved, SavedContact) and saved.is_current


def form(client: str = ADA, at: datetime = FORM, *, granted: bool = True) -> ConsentStatement:
    about = (client, Channel.EMAIL, Purpose.CARE, granted, "form", "1")
    return ConsentStatement(f"{client} {at} {granted}", at, *about)


def state(outreach: MemoryOutreach, *statements: ConsentStatement) -> None:
    assert save_consents(outreach.stores, PRACTICE, statements, "k1") == {}


def click(outreach: MemoryOutreach, client: str = ADA, mailbox: str = BOX) -> None:
    """The link of a mail that had gone to this mailbox."""
    care = Subscription(PRACTICE, client, Channel.EMAIL, Purpose.CARE)
    withdraw_by_link(outreach.stores, WayOut(care, f"{PRACTICE}/{mailbox}"))


def goes_to(outreach: MemoryOutreach, *clients: str) -> Sequence[str]:
    """The addresses to which the clients' messages go."""
    for client in clients:
        outreach.fall(client)
    return [each.address for each in outreach.dispatch().claimed]


def test_a_form_that_is_sent_again_after_the_clients_click_changes_nothing(
    outreach: MemoryOutreach,
) -> None:
    put_address(outreach)
    state(outreach, form())
    click(outreach)
    rows = len(outreach.rows.consents)
    outreach.stores.business_time = NOON + HOUR
    for _ in range(3):
        state(outreach, form())
    assert goes_to(outreach, ADA) == []
    assert len(outreach.rows.consents) == rows


def test_a_click_holds_for_everybody_who_has_the_mailbox_in_any_spelling(
    outreach: MemoryOutreach,
) -> None:
    put_address(outreach)
    put_address(outreach, BEN, "Shared.Box@example.org")
    state(outreach, form(), form(BEN))
    click(outreach)
    assert goes_to(outreach, ADA, BEN) == []
    outreach.stores.business_time = NOON + HOUR
    state(outreach, form(BEN, NOON + HOUR))
    outreach.fall(BEN, version=2, at=NOON + HOUR)
    assert [each.client_id for each in outreach.dispatch().claimed] == [BEN]


def test_a_click_in_an_old_mail_holds_at_the_mailbox_and_for_the_client(
    outreach: MemoryOutreach,
) -> None:
    put_address(outreach)
    put_address(outreach, BEN)
    state(outreach, form(), form(BEN))
    outreach.stores.business_time = NOON + HOUR
    put_address(outreach, address="new@example.org")
    state(outreach, form(at=NOON + HOUR))
    outreach.stores.business_time = NOON + 2 * HOUR
    click(outreach, mailbox=BOX)
    assert goes_to(outreach, ADA, BEN) == []


def test_a_click_in_another_mail_is_not_one_click_too_many(outreach: MemoryOutreach) -> None:
    """The client has withdrawn already; who has the old mailbox has not."""
    put_address(outreach)
    put_address(outreach, BEN)
    state(outreach, form(), form(BEN))
    outreach.stores.business_time = NOON + HOUR
    put_address(outreach, address="new@example.org")
    for mailbox in ("new@example.org", BOX, BOX):
        click(outreach, mailbox=mailbox)
    assert goes_to(outreach, ADA, BEN) == []
    assert len(outreach.rows.consents) == 4


def test_the_link_says_where_the_message_goes(outreach: MemoryOutreach) -> None:
    put_address(outreach)
    state(outreach, form())
    outreach.fall()
    claimed = outreach.claim()
    assert (claimed.address, claimed.contact_index) == (BOX, f"{PRACTICE}/{BOX}")


def test_an_opt_out_is_one_of_its_purpose_and_practice(outreach: MemoryOutreach) -> None:
    outreach.reachable(BEN, Channel.EMAIL, BOX, practice="lakeside")
    put_address(outreach)
    put_address(outreach, BEN)
    state(outreach, form(), form(BEN))
    link = Subscription(PRACTICE, ADA, Channel.EMAIL, Purpose.MARKETING)
    withdraw_by_link(outreach.stores, WayOut(link, f"{PRACTICE}/{BOX}"))
    outreach.fall(BEN, practice="lakeside")
    assert len(goes_to(outreach, ADA, BEN)) == 3


def test_a_consent_is_not_carried_over_to_another_address(outreach: MemoryOutreach) -> None:
    put_address(outreach)
    state(outreach, form())
    put_address(outreach, address="other@example.org")
    assert goes_to(outreach, ADA) == []
    outreach.stores.business_time = NOON + HOUR
    state(outreach, form(at=NOON + HOUR))
    outreach.fall(version=2, at=NOON + HOUR)
    assert [each.address for each in outreach.dispatch().claimed] == ["other@example.org"]


def test_who_goes_back_to_an_address_had_consented_for_it(outreach: MemoryOutreach) -> None:
    put_address(outreach)
    state(outreach, form())
    put_address(outreach, address="other@example.org")
    outreach.stores.business_time = NOON + HOUR
    put_address(outreach)
    assert goes_to(outreach, ADA) == [BOX]


def test_an_address_that_is_older_than_the_consent_may_be_told_later(
    outreach: MemoryOutreach,
) -> None:
    put_address(outreach, address="old@example.org")
    state(outreach, form())
    put_address(outreach, since=FORM - DAY)
    assert goes_to(outreach, ADA) == []
    put_address(outreach, address="old@example.org", since=FORM - 2 * DAY)
    outreach.fall(version=2)
    assert outreach.dispatch().claimed == []
    current = outreach.rows.contacts[ContactKey(PRACTICE, ADA, Channel.EMAIL)]
    assert current.address == "old@example.org"


def test_an_old_address_that_is_sent_again_with_its_time_is_not_used(
    outreach: MemoryOutreach,
) -> None:
    put_address(outreach, address="old@example.org", since=FORM)
    put_address(outreach, since=FORM + DAY)
    put_address(outreach, address="old@example.org", since=FORM)
    state(outreach, form(at=FORM + 2 * DAY))
    assert goes_to(outreach, ADA) == [BOX]


def test_who_puts_an_address_is_told_whether_messages_go_there(outreach: MemoryOutreach) -> None:
    old = "old@example.org"
    assert put_address(outreach, since=FORM + DAY) is True
    assert put_address(outreach, address=old, since=FORM) is False
    assert put_address(outreach, since=FORM + DAY) is True
    assert put_address(outreach, since=FORM - DAY) is True
    assert put_address(outreach, address=old, since=FORM + 2 * DAY) is True
    remove_contact(outreach.stores, ContactKey(PRACTICE, ADA, Channel.EMAIL))
    assert put_address(outreach, since=FORM + 3 * DAY) is False
    assert outreach.rows.contacts == {}


def test_an_address_that_was_deleted_leaves_no_consent_for_the_next(
    outreach: MemoryOutreach,
) -> None:
    put_address(outreach)
    state(outreach, form())
    remove_contact(outreach.stores, ContactKey(PRACTICE, ADA, Channel.EMAIL))
    put_address(outreach, address="other@example.org")
    assert goes_to(outreach, ADA) == []


def test_what_is_said_while_there_is_no_address_holds_for_none(outreach: MemoryOutreach) -> None:
    put_address(outreach)
    outreach.stores.business_time = NOON + HOUR
    remove_contact(outreach.stores, ContactKey(PRACTICE, ADA, Channel.EMAIL))
    outreach.stores.business_time = NOON + 2 * HOUR
    state(outreach, form(at=NOON + 2 * HOUR))
    outreach.stores.business_time = NOON + 3 * HOUR
    put_address(outreach)
    assert goes_to(outreach, ADA) == []


def test_preferences_say_whether_a_consent_applies(outreach: MemoryOutreach) -> None:
    def applies() -> bool:
        found = view_preferences(outreach.stores, OpenCipher(), CALLER, ADA)
        assert found is not None
        (consent,) = found.consents
        return consent.applies

    state(outreach, form())
    assert applies() is False
    put_address(outreach)
    assert applies() is True
    put_address(outreach, BEN)
    click(outreach, BEN)
    assert applies() is False
