"""Receives webhooks of declared sources: verified before they are read, accepted whole (ADR 57)."""

import json
from collections.abc import Mapping
from typing import Any

from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.sources import SourceKey
from ingestion_service.door import accept_sent
from ingestion_service.ports import Store
from ingestion_service.ports.secrets import Webhook
from ingestion_service.queues import practice_times
from ingestion_service.translate import fact_of
from rapport_adapters.adapter import Headers
from rapport_adapters.catalogue import ADAPTERS
from rapport_adapters.settings import SourceSettings


class NotAccepted(Exception):
    """An event of a webhook was rejected, so nothing of the webhook is stored."""

    def __init__(self, result: IntakeResult) -> None:
        super().__init__(result.reason)
        self.result = result


def settings_of(key: SourceKey, adapter: str, declared: Mapping[str, Any]) -> SourceSettings:
    """The settings of an adapter for a source, as JSON declares them. Raises pydantic's
    ValidationError."""
    own = {"practice_id": key.practice_id, "source": key.source}
    settings: SourceSettings = ADAPTERS[adapter].settings.model_validate({**declared, **own})
    return settings


def stored_settings(key: SourceKey, webhook: Webhook) -> SourceSettings:
    """The settings by which a source's webhooks are read."""
    return settings_of(key, webhook.adapter, json.loads(webhook.settings))


def receive(
    key: SourceKey, webhook: Webhook, headers: Headers, body: bytes, store: Store
) -> list[tuple[str, IntakeResult]]:
    """Accept what a webhook tells; the kind of each fact, with its result.

    Raises the adapters' `SignatureRefused` and `Unreadable`, and `NotAccepted`: the transaction
    must then be rolled back. `NotYet` before a simulated clock is first set.
    """
    adapter, settings = ADAPTERS[webhook.adapter], stored_settings(key, webhook)
    adapter.verify(headers, body, settings, store.real_time())
    facts = [fact_of(event) for event in adapter.read(body, settings).events]
    if not facts:
        return []
    results = accept_sent(facts, store, practice_times({key.practice_id}, store))
    for result in results:
        if result.status == "rejected":
            raise NotAccepted(result)
    return [(fact.kind, result) for fact, result in zip(facts, results, strict=True)]
