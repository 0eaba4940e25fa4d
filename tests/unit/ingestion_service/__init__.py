"""The rules of ingestion, without a database."""
