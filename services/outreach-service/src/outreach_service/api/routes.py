"""All routes of outreach's own; bootstrap adds those of the runtime."""

from dataclasses import dataclass, field

from fastapi import APIRouter

from outreach_service.api.bulk import bulk_router
from outreach_service.api.channels import channels_router
from outreach_service.api.clients import clients_router
from outreach_service.api.messages import messages_router
from outreach_service.api.playbook import playbook_router
from outreach_service.api.unsubscribe import unsubscribe_router
from outreach_service.domain.templates import Catalogue
from outreach_service.handlers.previews import Previews
from outreach_service.ports import Channels, Messages, Playbooks, PreferenceStore
from outreach_service.ports.store import Stores


@dataclass(frozen=True, kw_only=True)
class ApiParts:
    """What the routes need: the stores, the templates that a playbook may name, and the key of
    unsubscribe links."""

    preferences: PreferenceStore
    messages: Messages
    stores: Stores
    previews: Previews
    playbooks: Playbooks
    channels: Channels
    catalogue: Catalogue
    unsubscribe_key: bytes = field(repr=False)


def api_routers(parts: ApiParts) -> list[APIRouter]:
    """The routers, in the order in which the document shows them."""
    return [
        clients_router(parts.preferences),
        bulk_router(parts.preferences),
        messages_router(parts.messages, parts.stores, parts.previews),
        playbook_router(parts.playbooks, parts.catalogue),
        channels_router(parts.channels),
        unsubscribe_router(parts.preferences, parts.unsubscribe_key),
    ]
