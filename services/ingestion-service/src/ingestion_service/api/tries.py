"""`POST /v1/sources/{source}/try`: what a sample becomes; nothing is stored."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.sources import SourcePath
from ingestion_service.api.webhook_schemas import TryAnswer, TryBody, TryProblem
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.sources import SourceKey
from ingestion_service.ports import Stores
from ingestion_service.webhooks import stored_settings
from rapport_adapters.adapter import Told
from rapport_adapters.catalogue import ADAPTERS
from rapport_adapters.errors import Unreadable
from rapport_adapters.mapping import webhook as mapped_webhook
from rapport_adapters.mapping.document import MappingDocument
from rapport_adapters.mapping.reading import mapped
from rapport_adapters.settings import SourceSettings
from rapport_contracts.codec import encode_source
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)


def tries_router(stores: Stores) -> APIRouter:
    """The route that tries a mapping, or the declared adapter, on a sample."""
    router = APIRouter(prefix="/v1", tags=["sources"])

    @router.post(
        "/sources/{source:path}/try",
        responses=responses(Unauthorised, Forbidden, InvalidRequest, NotFound, Unavailable),
    )
    def try_source(
        principal: Annotated[Principal, Depends(require_practice("sources:write"))],
        source: SourcePath,
        body: TryBody,
    ) -> TryAnswer:
        """See what a sample of what the source sends becomes, with each problem by field.

        Nothing is stored, and the source need not be declared where the mapping is given. 404: no
        mapping is given, and the source takes no webhooks.
        """
        key = SourceKey(PracticeId(principal.practice), source)
        sample = _bytes_of(body.sample)
        if body.mapping is not None:
            return _by_mapping(sample, body.mapping, SourceSettings(**key._asdict()))
        with refusals_as_problems(), stores.open(key.practice_id) as store:
            webhook = store.secrets.webhook(key)
        if webhook is None:
            raise NotFound("give a mapping: this source takes no webhooks")
        settings = stored_settings(key, webhook)
        if isinstance(settings, mapped_webhook.Settings):
            return _by_mapping(sample, settings.mapping, settings)
        return _by_adapter(webhook.adapter, sample, settings)

    return router


def _bytes_of(sample: Any) -> bytes:
    text = sample if isinstance(sample, str) else json.dumps(sample)
    return text.encode()


def _by_mapping(sample: bytes, mapping: MappingDocument, settings: SourceSettings) -> TryAnswer:
    found = mapped(sample, mapping, settings)
    problems = [TryProblem(**problem._asdict()) for problem in found.problems]
    is_nothing = not found.events and not problems
    because = mapped_webhook.NOTHING if is_nothing else None
    return _answer(Told(found.events, because), problems)


def _by_adapter(name: str, sample: bytes, settings: SourceSettings) -> TryAnswer:
    try:
        told = ADAPTERS[name].read(sample, settings)
    except Unreadable as error:
        problem = TryProblem(
            field=error.field, mapping=None, reason=error.reason, way_out=error.way_out
        )
        return _answer(Told(), [problem])
    return _answer(told, [])


def _answer(told: Told, problems: list[TryProblem]) -> TryAnswer:
    events = [json.loads(encode_source(event)) for event in told.events]
    return TryAnswer(events=events, nothing_because=told.nothing_because, problems=problems)
