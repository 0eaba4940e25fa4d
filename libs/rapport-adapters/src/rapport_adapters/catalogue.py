"""The adapters by name: all that who receives webhooks and declares sources needs."""

from collections.abc import Mapping
from typing import Any, Final

from rapport_adapters import calcom, stripe, wechat_pay
from rapport_adapters.adapter import Adapter
from rapport_adapters.mapping import webhook

ADAPTERS: Final[Mapping[str, Adapter[Any]]] = {
    "calcom": calcom.ADAPTER,
    "stripe": stripe.ADAPTER,
    "wechat_pay": wechat_pay.ADAPTER,
    "mapping": webhook.ADAPTER,
}
