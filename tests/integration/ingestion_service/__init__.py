"""Ingestion against a real Postgres."""
