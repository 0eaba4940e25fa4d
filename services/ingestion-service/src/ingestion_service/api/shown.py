"""Identities as the API shows them."""

from ingestion_service.api.schemas import Identity
from ingestion_service.domain.facts import IdentityKey
from ingestion_service.domain.sources import PERSONAL


def shown(key: IdentityKey) -> Identity:
    """An identity; of a personal one nobody knows the value any more."""
    is_personal = key.external_id.startswith(PERSONAL)
    return Identity(
        namespace=key.namespace, external_id="personal" if is_personal else key.external_id
    )
