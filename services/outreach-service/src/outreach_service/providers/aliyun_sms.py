"""SMS by Alibaba Cloud (dysmsapi 2017-05-25): one number, one signed call, an OutId to find it."""

import json
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import httpx

from outreach_service.contacts import NotServed, country_of
from outreach_service.domain.messages import (
    About,
    Accepted,
    Outcome,
    Outgoing,
    Rejected,
    Unknown,
)
from outreach_service.providers.acs3 import AccessKey, RpcCall, signed_headers
from outreach_service.providers.web import Answer, NoAnswer, NotSent, ask

_HOUR = 3600.0
_DAY = 86_400.0

OF_THE_ACCOUNT: Mapping[str, float] = MappingProxyType(
    {
        "SignatureDoesNotMatch": 60.0,  # the secret is not the key's
        "IncompleteSignature": 60.0,
        "InvalidAccessKeyId.NotFound": 60.0,
        "InvalidAccessKeyId.Inactive": 60.0,
        "InvalidTimeStamp.Expired": 60.0,  # our clock is wrong
        "InvalidTimeStamp.Format": 60.0,
        "Forbidden.RAM": 600.0,
        "NoPermission": 600.0,
        "isp.RAM_PERMISSION_DENY": 600.0,
        "isv.RAM_CHECK_FAILED": 600.0,
        "isv.FORBIDDEN_ACTION": 600.0,
        "isv.DENY_IP_RANGE": 600.0,
        "isv.SMS_SIGNATURE_ILLEGAL": 600.0,  # the signature of the sender's name in the text
        "isv.SMS_SIGN_NAME_ILLEGAL": 600.0,
        "isv.SMS_SIGNATURE_SCENE_ILLEGAL": 600.0,
        "isv.ACCOUNT_ABNORMAL": 600.0,
        "isv.ACCOUNT_NOT_EXISTS": 600.0,
        "isv.PRODUCT_UN_SUBSCRIPT": 600.0,
        "isv.PRODUCT_UNSUBSCRIBE": 600.0,
        "isv.OUT_OF_SERVICE": _HOUR,  # the account is out of money or switched off
        "isv.AMOUNT_NOT_ENOUGH": _HOUR,
        "isv.BILLING_DEDUCTION_ERROR": _HOUR,
        "isv.DAY_LIMIT_CONTROL": _HOUR,
        "isv.MONTH_LIMIT_CONTROL": _HOUR,
        "Throttling": 1.0,
        "Throttling.User": 1.0,
        "Throttling.Api": 1.0,
        "ServiceUnavailable": 60.0,
    }
)
"""Codes that speak of the account or of all calls, and the seconds until the next try. They prove
that nothing was sent."""

OF_THE_PERSON: Mapping[str, float | None] = MappingProxyType(
    {
        "isv.MOBILE_NUMBER_ILLEGAL": None,
        "isv.PHONE_NUMBER_ILLEGAL": None,
        "isv.NOT_SUPPORTED_COUNTRY": 30 * _DAY,
        "isv.COUNTRY_RESTRICTED": 30 * _DAY,
    }
)
"""Codes that speak of the number, and the seconds for which it rests; None is for good."""

OF_THE_MESSAGE: Mapping[str, float | None] = MappingProxyType(
    {
        "isv.BUSINESS_LIMIT_CONTROL": _HOUR,  # per number and template: only after the window
        "isv.SMS_CONTENT_ILLEGAL": None,
        "isv.BLACK_KEY_CONTROL_LIMIT": None,  # a word in a value that may not stand there
        "isv.PARAM_LENGTH_LIMIT": None,
        "isv.PARAM_NOT_SUPPORT_URL": None,
        "isv.TEMPLATE_PARAMS_ILLEGAL": None,
    }
)
"""Codes that speak of this message's values, and the seconds to wait; None ends the message."""

UNCERTAIN = frozenset({"isp.SYSTEM_ERROR", "InternalError", "SignatureNonceUsed"})
"""Codes after which the SMS may have been sent. Each call has a nonce of its own, so a nonce that
was used belongs to this very call, which something on the way repeated.

A code in none of these lists, such as that of a template which is gone, is of the set-up or new to
us: the message waits, and several in a row close the channel."""

MAINLAND = "CN"
"""Numbers of Hong Kong, Macau and Taiwan have country codes and regions of their own."""

_MAINLAND_CODE = "+86"
_LIKE_MAINLAND = re.compile(r"1[3-9]\d{9}")
_COUNTRY_RESTS = 30 * _DAY


@dataclass(frozen=True)
class AliyunAccount:
    """The API's address, the access key, the name of the approved signature, and the countries
    (ISO 3166-1) to which the account may send."""

    base_url: str
    key: AccessKey
    sign_name: str
    serves: frozenset[str] = frozenset({MAINLAND})


def provider_number(e164: str, serves: Collection[str]) -> str:
    """The number as SendSms reads it: with its country code, and without `+`.

    Raises NotServed for a country that is not among `serves`, and for a number that would be read
    as one of the mainland: there a national number and one of North America look the same.
    """
    country = country_of(e164)
    digits = e164.removeprefix("+")
    if country not in serves:
        raise NotServed(f"country-not-served:{country}")
    if not e164.startswith(_MAINLAND_CODE) and _LIKE_MAINLAND.fullmatch(digits):
        raise NotServed(f"country-not-served:{country}")
    return digits


def _outcome(answer: Answer) -> Outcome:
    code = answer.body.get("Code", "HTTP 429" if answer.status == 429 else None)
    if not isinstance(code, str):
        return Unknown(f"sms:HTTP {answer.status}")
    if code == "OK":
        return Accepted(str(answer.body.get("BizId", "")))
    if code in UNCERTAIN:
        return Unknown(f"sms:{code}")
    return _rejected(code, answer)


def _rejected(code: str, answer: Answer) -> Rejected:
    """What a code means that proves that nothing was sent."""
    if code in OF_THE_PERSON:
        rests = OF_THE_PERSON[code]
        return Rejected(f"sms:{code}", final=True, retry_after=rests, about=About.PERSON)
    if code in OF_THE_MESSAGE:
        wait = OF_THE_MESSAGE[code]
        return Rejected(f"sms:{code}", final=wait is None, retry_after=wait)
    wait = OF_THE_ACCOUNT.get(code)
    if answer.status == 429:
        wait = max(wait or 1.0, answer.retry_after or 0.0)
    about = About.UNCLEAR if wait is None else About.ACCOUNT
    return Rejected(f"sms:{code}", final=False, retry_after=wait, about=about)


class AliyunSms:
    """Sends SMS by SendSms. There is no idempotency key: so a lost answer is Unknown and is
    not repeated (ADR 9)."""

    def __init__(
        self, client: httpx.AsyncClient, account: AliyunAccount, clock: Callable[[], datetime]
    ) -> None:
        """`clock` returns the real time, aware: the signature contains it."""
        self._client = client
        self._account = account
        self._clock = clock
        self._url = httpx.URL(account.base_url)

    async def send(self, message: Outgoing) -> Outcome:
        """One call of SendSms; none for a number of a country to which the account cannot send."""
        try:
            number = provider_number(message.recipient, self._account.serves)
        except NotServed as refused:
            return Rejected(
                f"sms:{refused}", final=True, retry_after=_COUNTRY_RESTS, about=About.PERSON
            )
        call = RpcCall(
            host=self._url.netloc.decode(),
            action="SendSms",
            version="2017-05-25",
            query={
                "PhoneNumbers": number,
                "SignName": self._account.sign_name,
                "TemplateCode": message.provider_template,
                "TemplateParam": json.dumps(dict(message.params), ensure_ascii=False),
                "OutId": message.message_id,
            },
            nonce=uuid.uuid4().hex,
            at=self._clock(),
        )
        request = self._client.build_request(
            "POST",
            self._url.copy_with(raw_path=f"/?{call.query_string}".encode()),
            headers=signed_headers(call, self._account.key),
        )
        try:
            return _outcome(await ask(self._client, request))
        except NotSent as problem:
            return Rejected(f"sms:{problem}", final=False, about=About.UNCLEAR)
        except NoAnswer as problem:
            return Unknown(f"sms:{problem}")
