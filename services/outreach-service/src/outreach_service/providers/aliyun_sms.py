"""SMS by Alibaba Cloud (dysmsapi 2017-05-25): one number, one signed call, an OutId to find it."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import httpx

from outreach_service.domain.messages import Accepted, Outcome, Outgoing, Rejected, Unknown
from outreach_service.providers.acs3 import AccessKey, RpcCall, signed_headers
from outreach_service.providers.web import Answer, NoAnswer, NotSent, ask

_HOUR = 3600.0
_DAY = 86_400.0

RETRY_LATER: Mapping[str, float] = MappingProxyType(
    {
        "isv.BUSINESS_LIMIT_CONTROL": _HOUR,  # per number and template: only after the window
        "isv.DAY_LIMIT_CONTROL": _DAY,
        "isv.MONTH_LIMIT_CONTROL": _DAY,
        "isv.OUT_OF_SERVICE": _HOUR,  # the account is out of money or switched off
        "isv.AMOUNT_NOT_ENOUGH": _HOUR,
        "Throttling": 1.0,
        "Throttling.User": 1.0,
        "Throttling.Api": 1.0,
        "ServiceUnavailable": 60.0,
        "InvalidTimeStamp.Expired": 60.0,  # our clock is wrong; nothing was sent
    }
)
"""Codes that prove that nothing was sent, and the seconds to wait."""

UNCERTAIN = frozenset({"isp.SYSTEM_ERROR", "InternalError", "SignatureNonceUsed"})
"""Codes after which the SMS may have been sent. Each call has a nonce of its own, so a nonce that
was used belongs to this very call, which something on the way repeated. A code in neither list is
final."""


@dataclass(frozen=True)
class AliyunAccount:
    """The API's address, the access key, and the name of the approved signature."""

    base_url: str
    key: AccessKey
    sign_name: str


def _number(e164: str) -> str:
    """A mainland number without its country code, any other with it; never with `+`."""
    return e164.removeprefix("+86").removeprefix("+")


def _outcome(answer: Answer) -> Outcome:
    code = answer.body.get("Code", "HTTP 429" if answer.status == 429 else None)
    if not isinstance(code, str):
        return Unknown(f"sms:HTTP {answer.status}")
    if code == "OK":
        return Accepted(str(answer.body.get("BizId", "")))
    if code in UNCERTAIN:
        return Unknown(f"sms:{code}")
    wait = RETRY_LATER.get(code)
    if answer.status == 429:
        wait = max(wait or 1.0, answer.retry_after or 0.0)
    return Rejected(f"sms:{code}", final=wait is None, retry_after=wait)


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
        """One call of SendSms."""
        call = RpcCall(
            host=self._url.netloc.decode(),
            action="SendSms",
            version="2017-05-25",
            query={
                "PhoneNumbers": _number(message.recipient),
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
            return Rejected(f"sms:{problem}", final=False)
        except NoAnswer as problem:
            return Unknown(f"sms:{problem}")
