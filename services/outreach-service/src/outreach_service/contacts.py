"""One spelling for each contact point, so that a phone has one spelling however it was typed."""

import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from outreach_service.domain.terms import Channel

_OPENID = re.compile(r"[A-Za-z0-9_-]{20,64}")


class InvalidContact(ValueError):
    """A contact point that nothing can be sent to; `field` names it, the value is not repeated."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def phone(value: str, region: str = "CN") -> str:
    """A phone number as E.164 (`+8613800138000`); `region` (ISO 3166) reads national spellings.

    Full-width digits, spaces and dashes are understood. Raises InvalidContact.
    """
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", value), region)
    except phonenumbers.NumberParseException as problem:
        raise InvalidContact("phone", "is not a phone number") from problem
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise InvalidContact("phone", "is not a number that can receive an SMS")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(value: str) -> str:
    """An address in its normal form (NFC, domain in lower case); the network is not used.

    Raises InvalidContact.
    """
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError as problem:
        raise InvalidContact("email", "is not an e-mail address") from problem


def openid(value: str) -> str:
    """A WeChat openid: 20 to 64 of A-Z a-z 0-9 _ -; 28 in practice. Raises InvalidContact."""
    if not _OPENID.fullmatch(value):
        raise InvalidContact("openid", "is not a WeChat openid")
    return value


def normalise(channel: Channel, value: str, region: str = "CN") -> str:
    """The contact point of a channel in its one spelling. Raises InvalidContact."""
    if channel is Channel.SMS:
        return phone(value, region)
    return email(value) if channel is Channel.EMAIL else openid(value)
