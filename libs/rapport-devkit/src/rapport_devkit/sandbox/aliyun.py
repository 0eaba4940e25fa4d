"""Alibaba SMS: accepts a signed SendSms of an approved template to a possible number."""

import json
import re
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from rapport_devkit.sandbox.aliyun_signature import Refused, Signatures, parameters
from rapport_devkit.sandbox.approved import approved_templates
from rapport_devkit.sandbox.credentials import (
    ALIYUN_KEY_ID,
    ALIYUN_KEY_SECRET,
    ALIYUN_SIGN_NAME,
)
from rapport_devkit.sandbox.deliveries import Arrival, DeliveryLog
from rapport_devkit.sandbox.faults import CutOff, Fault, Faults, Pace

PER_NUMBER = 50
"""Messages of one template to one number in 24 hours, as at the provider."""

_DAY = 86_400.0
_MOST_KEPT = 100_000
_MAINLAND = re.compile(rb"(?:\+?86|0086)?1[3-9]\d{9}")
_ABROAD = re.compile(rb"(?!86)[1-9]\d{6,14}")
"""A number with its country code. One of North America has the look of one of the mainland, and is
delivered there."""


class SmsSandbox:
    """The state of one SMS account: how often each number had each template in the last day."""

    def __init__(self, log: DeliveryLog) -> None:
        self._log = log
        self._templates = approved_templates()["aliyun_sms"]
        self._sent: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def refusal(self, query: dict[bytes, bytes]) -> str | None:
        """The code with which SendSms refuses these parameters, or None."""
        if query.get(b"SignName", b"").decode() != ALIYUN_SIGN_NAME:
            return "isv.SMS_SIGNATURE_ILLEGAL"
        names = self._templates.get(query.get(b"TemplateCode", b"").decode())
        if names is None:
            return "isv.SMS_TEMPLATE_ILLEGAL"
        number = query.get(b"PhoneNumbers", b"")
        if not _MAINLAND.fullmatch(number) and not _ABROAD.fullmatch(number):
            return "isv.MOBILE_NUMBER_ILLEGAL"
        try:
            params = json.loads(query.get(b"TemplateParam", b""))
        except ValueError:
            return "isv.INVALID_JSON_PARAM"
        if not isinstance(params, dict) or not set(names) <= set(params):
            return "isv.TEMPLATE_MISSING_PARAMETERS"
        if any("://" in str(text) for text in params.values()):
            return "isv.PARAM_NOT_SUPPORT_URL"
        return None

    def over_limit(self, query: dict[bytes, bytes], now: float) -> bool:
        """Count this submission; whether it exceeds the limit. `now` is of a steady clock."""
        key = (query[b"PhoneNumbers"].decode(), query[b"TemplateCode"].decode())
        times = [each for each in self._sent.pop(key, []) if each > now - _DAY]
        over = len(times) >= PER_NUMBER
        self._sent[key] = times if over else [*times, now]
        if len(self._sent) > _MOST_KEPT:
            self._sent.popitem(last=False)
        return over

    def deliver(self, query: dict[bytes, bytes]) -> str:
        """Deliver, also when an OutId comes again: it is no idempotency key. Returns the BizId."""
        delivery = self._log.add(
            Arrival(
                channel="sms",
                message_id=query.get(b"OutId", b"").decode(),
                recipient=query[b"PhoneNumbers"].decode(),
                template=query[b"TemplateCode"].decode(),
                params={str(k): str(v) for k, v in json.loads(query[b"TemplateParam"]).items()},
            )
        )
        return delivery.provider_ref


def _answer(code: str, status: int = 200, **more: str) -> JSONResponse:
    body = {"Code": code, "Message": code, "RequestId": str(uuid.uuid4()), **more}
    return JSONResponse(body, status_code=status)


def _fault_answer(fault: Fault) -> Response | None:
    """The answer of a fault that replaces a delivery; None for a fault that does not."""
    if fault.kind == "timeout":
        return CutOff(fault.hold_seconds)
    answers = {
        "5xx": _answer("ServiceUnavailable", 503),
        "reject": _answer(fault.code or "isv.MOBILE_NUMBER_ILLEGAL"),
        "rate_limit": _answer("Throttling.User", 400),
    }
    return answers.get(fault.kind)


def _send_answer(
    account: SmsSandbox, faults: Faults, now: float, query: dict[bytes, bytes]
) -> Response:
    fault = faults.strike("sms")
    instead = _fault_answer(fault) if fault is not None else None
    if instead is not None:
        return instead
    if account.over_limit(query, now):
        return _answer("isv.BUSINESS_LIMIT_CONTROL")
    biz_id = account.deliver(query)
    return CutOff() if fault is not None else _answer("OK", BizId=biz_id)


def aliyun_router(
    account: SmsSandbox, faults: Faults, pace: Pace, clock: Callable[[], float]
) -> APIRouter:
    """The RPC endpoint of `dysmsapi.aliyuncs.com`, with the action that Rapport uses."""
    router = APIRouter(tags=["aliyun"])
    signatures = Signatures(ALIYUN_KEY_ID, ALIYUN_KEY_SECRET)

    @router.post("/")
    async def rpc(request: Request) -> Response:
        try:
            signatures.check(request, await request.body(), datetime.now(UTC))
        except Refused as refused:
            return _answer(refused.code, refused.status)
        if request.headers["x-acs-action"] != "SendSms":
            return _answer("InvalidAction.NotFound", 404)
        query = dict(parameters(request.scope["query_string"]))
        refusal = account.refusal(query)
        if refusal is not None:
            return _answer(refusal)
        if not pace.takes(clock()):
            return _answer("Throttling.User", 400)
        return _send_answer(account, faults, clock(), query)

    return router
