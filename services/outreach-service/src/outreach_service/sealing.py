"""Contact details at rest: texts under the keyring, found by a blind index."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from rapport_runtime.sealing import CannotUnseal, Keyring, key_from, place_of


@dataclass(frozen=True)
class Place:
    """The row and field of a sealed text; moved to any other place it cannot be opened (S12)."""

    practice_id: str
    client_id: str
    field: str

    def bound(self) -> bytes:
        """The place as additional authenticated data; different places give different bytes."""
        return place_of(self.practice_id, self.client_id, self.field)


class ContactKeyring:
    """A `Keyring` for texts; HMAC-SHA-256 for lookups.

    `keys` and `active` are as in `Keyring`; `index_key` (base64, 32 bytes) makes blind indexes and
    cannot be rotated without re-indexing. Raises InvalidKeys.
    """

    def __init__(self, keys: Mapping[str, str], *, active: str, index_key: str) -> None:
        self._keyring = Keyring(keys, active=active)
        self._index_key = key_from("index", index_key)

    def seal(self, text: str, place: Place) -> str:
        """The text, readable only at this place: `kid:` and base64 of nonce and ciphertext."""
        name, _, raw = self._keyring.seal(text.encode(), place.bound()).partition(b":")
        return f"{name.decode()}:{base64.b64encode(raw).decode()}"

    def unseal(self, sealed: str, place: Place) -> str:
        """What `seal` was given, for the same place. Raises CannotUnseal."""
        name, _, encoded = sealed.partition(":")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as problem:
            raise CannotUnseal("not base64") from problem
        return self._keyring.unseal(name.encode() + b":" + raw, place.bound()).decode()

    def is_current(self, sealed: str) -> bool:
        """Whether the active key sealed this text; before a key is removed, `reseal` seals anew all
        texts for which this is false."""
        return self._keyring.is_current(sealed.encode())

    def blind_index(self, practice_id: str, field: str, text: str) -> str:
        """64 hex digits, equal for equal contact points of a practice; useless without the key."""
        bound = Place(practice_id, text, field).bound()
        return hmac.new(self._index_key, bound, hashlib.sha256).hexdigest()
