"""SQL and nothing else: tables, queries, migrations."""
