"""Show the playbook in force for a practice, and replace it."""

from collections.abc import Mapping
from typing import Any

from outreach_service.ports.records import StoredPlaybook
from outreach_service.ports.store import Stores

DEFAULT_VERSION = 0
"""The version of the deployment's default; a practice's own playbooks count from 1."""


def view_playbook(stores: Stores, default: Mapping[str, Any], practice_id: str) -> StoredPlaybook:
    """The practice's own playbook, else `default`."""
    with stores.open(practice_id) as store:
        own = store.playbooks.find(practice_id)
    return own or StoredPlaybook(DEFAULT_VERSION, default, None)


def replace_playbook(stores: Stores, practice_id: str, body: Mapping[str, Any]) -> StoredPlaybook:
    """Save a playbook that has been checked; planned messages keep the play that planned them."""
    with stores.open(practice_id) as store:
        return store.playbooks.save(practice_id, body)
