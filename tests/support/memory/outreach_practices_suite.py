"""What a message takes from its practice, and from where its client lives: one suite for the stores
in memory and on Postgres."""

from outreach_service.domain.terms import Channel
from outreach_service.ports.contacts import SealedContact
from tests.support.memory.harbour import ADA, DAY, NOON, PHONE, PRACTICE, Harbour, a_message


class PracticesSuite:
    """Names that messages show, and zones in which their hours are open."""

    def test_a_practice_is_as_it_was_saved_last(self, harbour: Harbour) -> None:
        harbour.save_practice("Quay", "Asia/Shanghai")
        harbour.add(a_message())
        assert harbour.situation().zone == "Asia/Shanghai"
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            assert store.messages.practice_name(PRACTICE) == "Quay"

    def test_what_was_said_of_a_practice_before_does_not_replace_it(self, harbour: Harbour) -> None:
        harbour.save_practice("Quay", "Asia/Shanghai", NOON - DAY)
        harbour.add(a_message())
        assert harbour.situation().zone == "Europe/London"
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            assert store.messages.practice_name(PRACTICE) == "Harbour"

    def test_a_clients_zones_are_those_of_all_their_contacts(self, harbour: Harbour) -> None:
        point = SealedContact(ADA, Channel.SMS, "s", "n", "en", "i", "Europe/London")
        mail = point._replace(channel=Channel.EMAIL, zone="Asia/Tokyo")
        ben = point._replace(client_id="ben", zone="Asia/Seoul")
        harbour.add(a_message())
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            store.contacts.save(PRACTICE, [point, mail, ben])
        assert harbour.situation().client_zones == ("Asia/Tokyo", "Europe/London")

    def test_messages_show_the_discreet_name_where_there_is_one(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        harbour.adapter.put_contact(PHONE, "phone-1")
        for discreet, shown in ((None, "Harbour Clinic"), ("The Harbour", "The Harbour")):
            harbour.save_practice("Harbour Clinic", discreet_name=discreet)
            assert harbour.situation().has_discreet_name is (discreet is not None)
            with harbour.stores.open() as store:
                assert store.clients.recipients([PHONE])[PHONE].practice_name == shown
            with harbour.adapter.api_stores.open(PRACTICE) as store:
                assert store.messages.practice_name(PRACTICE) == shown
