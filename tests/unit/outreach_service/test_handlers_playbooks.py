"""The playbook in force: the practice's own, else the default."""

from outreach_service.handlers.playbooks import replace_playbook, view_playbook
from outreach_service.ports.records import StoredPlaybook
from tests.support.generators.outreach_values import a_play_document
from tests.unit.outreach_service.memory_outreach import PRACTICE, MemoryOutreach

DEFAULT = {"key": "default", "plays": [a_play_document()]}
OWN = {"key": "own", "plays": [a_play_document(key="own-play")]}


def test_a_practice_without_a_playbook_sees_the_default(outreach: MemoryOutreach) -> None:
    assert view_playbook(outreach.stores, DEFAULT, PRACTICE) == StoredPlaybook(0, DEFAULT, None)


def test_a_practice_sees_the_playbook_that_it_saved(outreach: MemoryOutreach) -> None:
    saved = replace_playbook(outreach.stores, PRACTICE, OWN)
    assert (saved.version, saved.body) == (1, OWN)
    assert saved.updated_at == outreach.stores.real_time
    assert view_playbook(outreach.stores, DEFAULT, PRACTICE) == saved


def test_each_replacement_has_the_next_version(outreach: MemoryOutreach) -> None:
    replace_playbook(outreach.stores, PRACTICE, OWN)
    saved = replace_playbook(outreach.stores, PRACTICE, DEFAULT)
    assert (saved.version, saved.body) == (2, DEFAULT)
    assert view_playbook(outreach.stores, DEFAULT, PRACTICE) == saved


def test_another_practice_still_sees_the_default(outreach: MemoryOutreach) -> None:
    replace_playbook(outreach.stores, PRACTICE, OWN)
    assert view_playbook(outreach.stores, DEFAULT, "lakeside").version == 0
