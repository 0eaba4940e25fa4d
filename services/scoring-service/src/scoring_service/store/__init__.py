"""The adapters of the ports on Postgres: statements, rows and migrations, no rules."""
