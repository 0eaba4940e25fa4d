"""Every table has a class of retention, and what waits has no term (ADR 29)."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ingestion_service.bootstrap import COMMANDS as INGESTION
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.retention.classes import built_in, read_classes
from rapport_runtime.settings import SettingsError

pytestmark = pytest.mark.integration
SERVICES = ("ingestion", "scoring", "outreach")
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
      AND relname <> 'alembic_version'
"""
NEVER = {
    *("ledger", "identity", "source_object", "tier_change", "consent", "contact", "client"),
    *("outbox", "consumer_position", "published_events", "pause", "practice", "dead_letter"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_of_the_catalogue_has_one_class(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    classes = read_classes(f"{service}_service")
    with psycopg.connect(service_database(service).owner_url) as owner:
        tables = {name for (name,) in owner.execute(_TABLES.encode())}
    assert {table for each in classes for table in each.tables} == tables


@pytest.mark.parametrize("service", SERVICES)
def test_what_waits_and_what_is_unique_for_ever_has_no_term(service: str) -> None:
    classes = read_classes(f"{service}_service")
    assert not NEVER & {table for each in classes if each.term for table in each.tables}


def test_a_deployments_own_terms_count(tmp_path: Path) -> None:
    own = tmp_path / "retention.json"
    own.write_bytes(built_in("ingestion_service").replace(b"P90D", b"P30D"))
    terms = {each.name: each.term for each in read_classes("ingestion_service", own)}
    assert terms["dead-letters"] is not None
    assert terms["dead-letters"].days == 30


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"P90D"', b"null"),
        (b'"P90D"', b'"PT1H"'),
        (b'"P90D"', b'"soon"'),
        (b'"decided_letter"', b'"audit"'),
        (b'"ledger"', b'"ledgers"'),
        (b"[", b"{"),
    ],
)
def test_terms_that_cannot_be_are_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    own = tmp_path / "retention.json"
    own.write_bytes(built_in("ingestion_service").replace(old, new))
    with pytest.raises(SettingsError):
        read_classes("ingestion_service", own)


def test_the_command_is_one_of_every_services(
    service_database: Callable[[str], ServiceDatabase],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("ingestion").purge_url)
    monkeypatch.setenv("RAPPORT_KAFKA_BOOTSTRAP_SERVERS", "unused:9092")
    monkeypatch.setenv("RAPPORT_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    assert INGESTION["purge"]([]) == 0
    assert "dead-letters: 0 rows" in capsys.readouterr().out
