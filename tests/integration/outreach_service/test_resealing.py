"""A key of contact details can go once everything is sealed with the next one."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from outreach_service import bootstrap
from outreach_service.domain.terms import Channel
from outreach_service.sealing import ContactKeyring
from outreach_service.store import resealing
from outreach_service.store.resealing import Resealed, reseal
from rapport_devkit.databases import ServiceDatabase
from tests.support.worlds.outreach import KEY, OutreachWorld, worlds

pytestmark = pytest.mark.integration
NEXT = base64.b64encode(b"n" * 32).decode()
BOTH = ContactKeyring({"k1": KEY, "k2": NEXT}, active="k2", index_key=KEY)
ONLY_NEXT = ContactKeyring({"k2": NEXT}, active="k2", index_key=KEY)
SEALED = "SELECT sealed_address, sealed_name FROM contact ORDER BY client_id"


def some_clients(outreach: OutreachWorld) -> None:
    """Five whom the first key sealed, one of them moved to where no key opens it."""
    for number in range(5):
        outreach.reachable(f"client-{number}", Channel.SMS, f"+861380013800{number}")
    outreach.execute("""
        UPDATE contact SET sealed_name = 'k0:AAAA' WHERE client_id = 'client-3'
    """)


def test_what_an_older_key_sealed_is_sealed_again_once(
    service_database: Callable[[str], ServiceDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "PAGE_ROWS", 2)
    with worlds(service_database) as build:
        outreach = build()
        some_clients(outreach)
        assert reseal(outreach.database, BOTH) == Resealed(4, 1)
        assert reseal(outreach.database, BOTH) == Resealed(0, 1)
        rows: Any = outreach.rows(SEALED)
        keys = [row.sealed_address.partition(":")[0] for row in rows]
        assert keys == ["k2", "k2", "k2", "k1", "k2"]
        outreach.execute("DELETE FROM contact WHERE client_id = 'client-3'")
        assert reseal(outreach.database, ONLY_NEXT) == Resealed(0, 0)


def test_the_command_says_what_it_did_and_what_keeps_the_old_key(
    service_database: Callable[[str], ServiceDatabase],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    urls: list[str] = []

    def noted(service: str) -> ServiceDatabase:
        made = service_database(service)
        urls.append(made.worker_url)
        return made

    with worlds(noted) as build:
        some_clients(build())
        for name, value in {
            "DATABASE_URL": urls[0],
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "CONTACT_KEYS": f'{{"k1": "{KEY}", "k2": "{NEXT}"}}',
            "CONTACT_ACTIVE_KEY": "k2",
            "CONTACT_INDEX_KEY": KEY,
            "RECORD_KEYS": f'{{"k1": "{KEY}"}}',
            "RECORD_ACTIVE_KEY": "k1",
        }.items():
            monkeypatch.setenv(f"RAPPORT_{name}", value)
        assert bootstrap.COMMANDS["reseal"]([]) == 1
    assert capsys.readouterr().out == (
        "4 sealed again, 1 that no key opens\nletters: 0 sealed again, 0 that need another key\n"
    )
