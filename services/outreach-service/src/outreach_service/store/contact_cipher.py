"""Contact details under the keyring: each is sealed for its own row and field."""

from outreach_service.domain.consents import ContactUpdate
from outreach_service.domain.terms import Channel
from outreach_service.ports import UnreadableContact
from outreach_service.ports.contacts import SealedContact
from outreach_service.ports.records import ContactKey
from outreach_service.sealing import ContactKeyring, Place
from rapport_runtime.sealing import CannotUnseal


def address_place(practice_id: str, client_id: str, channel: Channel) -> Place:
    """Where a sealed address belongs."""
    return Place(practice_id, client_id, f"contact.{channel}")


def name_place(practice_id: str, client_id: str, channel: Channel) -> Place:
    """Where a sealed name belongs."""
    return Place(practice_id, client_id, f"name.{channel}")


class KeyringCipher:
    """`ContactCipher` over a keyring."""

    def __init__(self, keyring: ContactKeyring) -> None:
        self._keyring = keyring

    def address(self, key: ContactKey, sealed: str) -> str:
        """See `ContactCipher.address`."""
        return self._unseal(sealed, address_place(*key))

    def name(self, key: ContactKey, sealed: str) -> str:
        """See `ContactCipher.name`."""
        return self._unseal(sealed, name_place(*key))

    def seal(self, practice_id: str, update: ContactUpdate) -> SealedContact:
        """See `ContactCipher.seal`."""
        key = (practice_id, update.client_id, update.channel)
        return SealedContact(
            client_id=update.client_id,
            channel=update.channel,
            address=self._keyring.seal(update.address, address_place(*key)),
            name=self._keyring.seal(update.name, name_place(*key)),
            language=update.language,
            blind_index=self._keyring.blind_index(
                practice_id, update.channel.value, update.counted_as
            ),
            zone=update.zone,
        )

    def _unseal(self, sealed: str, place: Place) -> str:
        try:
            return self._keyring.unseal(sealed, place)
        except CannotUnseal as error:
            raise UnreadableContact(place.field) from error
