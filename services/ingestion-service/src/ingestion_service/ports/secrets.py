"""What the use cases need of the secrets of declared sources: a part of the store."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from ingestion_service.domain.sources import SourceKey


class Webhook(NamedTuple):
    """How a source's webhooks are read: the adapter's name, and its settings as JSON, in which its
    secrets stand."""

    adapter: str
    settings: bytes


class Token(NamedTuple):
    """What is stored of the secret address of a webhook: the part that finds it, and the hash of
    the rest."""

    token_id: str
    token_hash: bytes


class SecretStore(Protocol):
    """The secrets of sources, within one transaction; they are sealed at rest (ADR 57)."""

    def webhook(self, key: SourceKey) -> Webhook | None:
        """How the source's webhooks are read; None where it takes none."""

    def save_webhook(self, key: SourceKey, webhook: Webhook, token: Token | None) -> None:
        """Let the source take webhooks, or change how; without a token its address stays."""

    def end_webhook(self, key: SourceKey) -> bool:
        """Let the source take no webhooks; False when it took none."""

    def signing(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sequence[str]]:
        """Those of these sources that sign what they send, with their secrets."""

    def save_signing(self, key: SourceKey, secrets: Sequence[str]) -> None:
        """Let the source sign with one of these; with none it does not sign."""


class KeepsSecrets(Protocol):
    """The part of the store that is about the secrets of sources."""

    @property
    def secrets(self) -> SecretStore:
        """The secrets of declared sources, in the same transaction."""
