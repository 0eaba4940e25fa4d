"""Systems that send webhooks to the door: what each source declares, and how it signs."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rapport_adapters.catalogue import ADAPTERS
from rapport_adapters.errors import Unreadable
from rapport_contracts.source import SourceEvent
from tests.unit.rapport_adapters import (
    senders,
    test_calcom,
    test_mapping,
    test_stripe,
    test_wechat_pay,
)

SECRET = senders.SECRET
MAPPING = json.loads(
    (Path(senders.__file__).parent / "mappings" / "lotus-desk.json").read_text("utf-8")
)


_TABLES: Mapping[str, Sequence[tuple[str, list[dict[str, Any]]]]] = MappingProxyType(
    {
        "calcom": test_calcom.SAYS,
        "stripe": [(name, [event]) for name, event in test_stripe.SAYS],
        "wechat_pay": [(name, [event]) for name, event in test_wechat_pay.SAYS],
        "mapping": test_mapping.SAYS,
    }
)


class System(NamedTuple):
    """A system as its practice declares it, and as it sends."""

    name: str
    settings: dict[str, Any]
    headers: Callable[[bytes], senders.Headers]

    def samples(self) -> list[bytes]:
        """The bodies of its samples, as they are sent."""
        paths = sorted((senders.SAMPLES / self.name).glob("*.json"))
        return [self.body(path.stem) for path in paths]

    def table(self) -> list[tuple[bytes, list[dict[str, Any]]]]:
        """Each sample that tells events, with those that its adapter's own table says, as JSON."""
        return [(self.body(name), events) for name, events in _TABLES[self.name]]

    def body(self, name: str) -> bytes:
        """A sample, as it is sent."""
        is_sealed = self.name == "wechat_pay"
        return senders.sealed(name) if is_sealed else senders.sample(self.name, name)

    def reads(self, body: bytes, source: str) -> tuple[Sequence[SourceEvent], str | None]:
        """The events that the adapter reads; or none, and the field that it cannot read."""
        adapter = ADAPTERS[self.name]
        own = {"practice_id": "lakeside", "source": source}
        try:
            return adapter.read(body, adapter.settings(**self.settings, **own)).events, None
        except Unreadable as error:
            return (), error.field


def _now() -> datetime:
    return datetime.now(UTC)


SYSTEMS = {
    "calcom": System("calcom", {"secrets": [SECRET]}, senders.calcom_headers),
    "stripe": System(
        "stripe", {"secrets": [SECRET]}, lambda body: senders.stripe_headers(body, _now())
    ),
    "wechat_pay": System(
        "wechat_pay",
        {
            "public_keys": {senders.SERIAL: senders.certificate()},
            "api_v3_keys": [senders.API_V3_KEY],
            "app_id": "wx0000lanternharb",
            "money": "payer_total",
        },
        lambda body: senders.wechat_headers(body, _now()),
    ),
    "mapping": System(
        "mapping",
        {
            "secrets": [SECRET],
            "signature": {"header": "X-Lotus-Signature", "prefix": "sha256="},
            "mapping": MAPPING,
        },
        senders.mapping_headers,
    ),
}
