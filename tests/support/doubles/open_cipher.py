"""A cipher for tests that seals nothing."""

from outreach_service.domain.consents import ContactUpdate
from outreach_service.ports import UnreadableContact
from outreach_service.ports.contacts import SealedContact
from outreach_service.ports.records import ContactKey

NO_KEY = "no key opens this"
A_PHONE = "+447400123456"
"""A sealed address that opens as a number of a country with hours."""


class OpenCipher:
    """A `ContactCipher` that gives everything back as it is, but refuses NO_KEY."""

    def seal(self, practice_id: str, update: ContactUpdate) -> SealedContact:
        """The contact point, its blind index made of what its address counts as."""
        return SealedContact(
            update.client_id,
            update.channel,
            update.address,
            update.name,
            update.language,
            f"{practice_id}/{update.counted_as}",
            update.zone,
        )

    def address(self, key: ContactKey, sealed: str) -> str:
        """The address."""
        return self.name(key, sealed)

    def name(self, key: ContactKey, sealed: str) -> str:
        """The name. Raises UnreadableContact."""
        if sealed == NO_KEY:
            raise UnreadableContact(key.channel)
        return sealed
