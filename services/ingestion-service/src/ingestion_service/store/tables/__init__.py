"""The tables of the database `ingestion`; a test compares them with what the migrations make."""

from ingestion_service.store.tables import clients, sources, waiting
from ingestion_service.store.tables.metadata import metadata

__all__ = ["clients", "metadata", "sources", "waiting"]
