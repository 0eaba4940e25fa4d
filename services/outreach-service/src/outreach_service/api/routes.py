"""All routes of outreach's own; bootstrap adds those of the runtime."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from outreach_service.api.bulk import bulk_router
from outreach_service.api.channels import channels_router
from outreach_service.api.clients import clients_router
from outreach_service.api.messages import messages_router
from outreach_service.api.playbook import playbook_router
from outreach_service.api.unsubscribe import unsubscribe_router
from outreach_service.domain.templates import Catalogue
from outreach_service.handlers.previews import Previews
from outreach_service.ports import Channels, Messages
from outreach_service.ports.store import ContactCipher, Stores


@dataclass(frozen=True, kw_only=True)
class ApiParts:
    """What the routes need: the stores, the cipher of contact details, the deployment's playbook,
    the templates that a playbook may name, the key of unsubscribe links, and the countries to which
    SMS can be sent (None: no limit)."""

    messages: Messages
    stores: Stores
    cipher: ContactCipher
    previews: Previews
    default_playbook: Mapping[str, Any]
    channels: Channels
    catalogue: Catalogue
    unsubscribe_key: bytes = field(repr=False)
    sms_serves: Collection[str] | None = None


def api_routers(parts: ApiParts) -> list[APIRouter]:
    """The routers, in the order in which the document shows them."""
    return [
        clients_router(parts.stores, parts.cipher, parts.sms_serves),
        bulk_router(parts.stores, parts.cipher, parts.sms_serves),
        messages_router(parts.messages, parts.stores, parts.previews),
        playbook_router(parts.stores, parts.default_playbook, parts.catalogue),
        channels_router(parts.channels),
        unsubscribe_router(parts.stores, parts.unsubscribe_key),
    ]
