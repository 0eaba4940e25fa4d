"""E-mail addresses and phone numbers as client ids: one spelling for each, then a keyed hash."""

import hashlib
import hmac
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from ingestion_service.domain.sources import PERSONAL
from rapport_runtime.sealing import place_of


class PersonalKeys:
    """`ports.sources.Hashing` by HMAC-SHA-256 under a key of 32 bytes, which cannot be changed: all
    personal identities hang on it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hashed(self, practice_id: str, namespace: str, text: str, region: str | None) -> str | None:
        """See `Hashing.hashed`."""
        spelling = one_spelling(text, region)
        if spelling is None:
            return None
        bound = place_of("identity", practice_id, namespace, spelling)
        return PERSONAL + hmac.new(self._key, bound, hashlib.sha256).hexdigest()


def one_spelling(text: str, region: str | None) -> str | None:
    """The lower-case ASCII e-mail address, or the phone number in E.164, that a text is; None where
    it is neither, or has anything besides: another extension may be another person. A number
    without a country code is dialled in `region` (ISO 3166-1), and must be valid there; of one with
    a country code the length is enough, since new ranges are given out."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if "@" in plain:
        return _email(plain)
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or any(map(str.isalpha, plain)):
        return None
    is_one = phonenumbers.is_possible_number if plain[:1] == "+" else phonenumbers.is_valid_number
    if not is_one(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(text: str) -> str | None:
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return None if found.ascii_email is None else found.ascii_email.lower()
