"""WeChat: stable tokens, template messages, and repeats that are dropped for ten minutes."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.responses import JSONResponse, Response

from rapport_devkit.sandbox.approved import approved_templates
from rapport_devkit.sandbox.credentials import WECHAT_APPID, WECHAT_SECRET
from rapport_devkit.sandbox.deliveries import Arrival, DeliveryLog
from rapport_devkit.sandbox.faults import CutOff, Fault, Faults, Pace

REPEATS_DROPPED_FOR = 600.0
"""Seconds in which one openid and client_msg_id get one message, as at the provider."""

MOST_KEPT = 100_000
"""Remembered keys; the oldest are dropped first."""


class WeChatSandbox:
    """The state of one official account: its token and the keys it has seen. `now` is always a
    steady clock in seconds."""

    def __init__(self, log: DeliveryLog, token_seconds: int) -> None:
        self._log = log
        self._token_seconds = token_seconds
        self._token: str | None = None
        self._token_ends = 0.0
        self._retired: str | None = None
        self._seen: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()
        self._templates = approved_templates()["wechat"]

    def token(self, now: float) -> tuple[str, int]:
        """The account's token, the same while it is valid, and the seconds for which it is."""
        if self._token is None or now >= self._token_ends:
            self.revoke()
            self._token = secrets.token_hex(64)
            self._token_ends = now + self._token_seconds
        return self._token, int(self._token_ends - now)

    def revoke(self) -> None:
        """End the token before its time."""
        self._retired, self._token_ends = self._token, 0.0

    def refusal(self, now: float, token: str, body: dict[str, Any]) -> tuple[int, str] | None:
        """The errcode and errmsg with which WeChat refuses this call, or None."""
        if not token or token not in (self._token, self._retired):
            return 40001, "invalid credential"
        if token == self._retired or now >= self._token_ends:
            return 42001, "access_token expired"
        return self._malformed(body)

    def _malformed(self, body: dict[str, Any]) -> tuple[int, str] | None:
        params = self._templates.get(str(body.get("template_id")))
        if params is None:
            return 40037, "invalid template_id"
        if not str(body.get("touser", "")):
            return 40003, "invalid openid"
        if len(str(body.get("client_msg_id", ""))) > 32:
            return 47001, "client_msg_id too long"
        data = body.get("data")
        values = data if isinstance(data, dict) else {}
        for name in params:
            value = values.get(name)
            text = value.get("value") if isinstance(value, dict) else None
            if not isinstance(text, str) or not 1 <= len(text) <= 20:
                return 47003, f"argument invalid! data.{name}.value invalid"
        return None

    def deliver(self, now: float, body: dict[str, Any]) -> str:
        """Deliver once for each openid and client_msg_id within ten minutes. Returns the msgid."""
        while self._seen and (
            len(self._seen) > MOST_KEPT
            or next(iter(self._seen.values()))[0] < now - REPEATS_DROPPED_FOR
        ):
            self._seen.popitem(last=False)
        key = (str(body["touser"]), str(body.get("client_msg_id", "")))
        if key[1] and key in self._seen:
            return self._seen[key][1]
        delivery = self._log.add(
            Arrival(
                channel="wechat",
                message_id=key[1],
                recipient=key[0],
                template=str(body["template_id"]),
                params={name: item["value"] for name, item in body["data"].items()},
            )
        )
        self._seen[key] = (now, delivery.provider_ref)
        return delivery.provider_ref


def _answer(code: int, message: str) -> JSONResponse:
    return JSONResponse({"errcode": code, "errmsg": message})


def _fault_answer(fault: Fault, account: WeChatSandbox) -> Response | None:
    """The answer of a fault that replaces a delivery; None for a fault that does not."""
    if fault.kind == "token_expired":
        account.revoke()
        return _answer(42001, "access_token expired")
    if fault.kind == "timeout":
        return CutOff(fault.hold_seconds)
    answers = {
        "5xx": JSONResponse({"error": "bad gateway"}, status_code=503),
        "reject": _answer(int(fault.code or 43004), "require subscribe"),
        "rate_limit": _answer(45011, "api minute-quota reach limit"),
    }
    return answers.get(fault.kind)


def _token_answer(account: WeChatSandbox, now: float, body: dict[str, Any]) -> JSONResponse:
    if body.get("appid") != WECHAT_APPID:
        return _answer(40013, "invalid appid")
    if body.get("secret") != WECHAT_SECRET:
        return _answer(40125, "invalid appsecret")
    token, seconds = account.token(now)
    return JSONResponse({"access_token": token, "expires_in": seconds})


def _send_answer(
    account: WeChatSandbox, faults: Faults, now: float, body: dict[str, Any]
) -> Response:
    fault = faults.strike("wechat")
    instead = _fault_answer(fault, account) if fault is not None else None
    if instead is not None:
        return instead
    msgid = account.deliver(now, body)
    if fault is not None:
        return CutOff()
    return JSONResponse({"errcode": 0, "errmsg": "ok", "msgid": msgid})


def wechat_router(
    account: WeChatSandbox, faults: Faults, pace: Pace, clock: Callable[[], float]
) -> APIRouter:
    """The two endpoints of `api.weixin.qq.com` that Rapport uses; `clock` is a steady clock."""
    router = APIRouter(tags=["wechat"])

    @router.post("/cgi-bin/stable_token")
    async def stable_token(body: Annotated[dict[str, Any], Body()]) -> JSONResponse:
        return _token_answer(account, clock(), body)

    @router.post("/cgi-bin/message/template/send")
    async def send(
        body: Annotated[dict[str, Any], Body()], access_token: Annotated[str, Query()] = ""
    ) -> Response:
        refusal = account.refusal(clock(), access_token, body)
        if refusal is not None:
            return _answer(*refusal)
        if not pace.takes(clock()):
            return _answer(45011, "api minute-quota reach limit")
        return _send_answer(account, faults, clock(), body)

    return router
