"""The tables, the SQL statements and the migrations of ingestion."""
