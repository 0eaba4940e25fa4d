"""The secrets of declared sources in memory."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ingestion_service.domain.sources import SourceKey
from ingestion_service.ports.secrets import Token, Webhook

if TYPE_CHECKING:
    from tests.support.memory.ingestion import Tables


class MemorySecrets:
    """`ports.secrets.SecretStore` over tables."""

    def __init__(self, tables: "Tables") -> None:
        self._of = tables

    def webhook(self, key: SourceKey) -> Webhook | None:
        found = self._of.webhooks.get(key)
        return None if found is None else found[0]

    def save_webhook(self, key: SourceKey, webhook: Webhook, token: Token | None) -> None:
        if token is not None:
            self._of.webhooks[key] = (webhook, token)
        elif key in self._of.webhooks:
            self._of.webhooks[key] = (webhook, self._of.webhooks[key][1])

    def end_webhook(self, key: SourceKey) -> bool:
        return self._of.webhooks.pop(key, None) is not None

    def signing(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sequence[str]]:
        return {key: list(self._of.signing[key]) for key in keys if key in self._of.signing}

    def save_signing(self, key: SourceKey, secrets: Sequence[str]) -> None:
        self._of.signing.pop(key, None)
        if secrets:
            self._of.signing[key] = tuple(secrets)
