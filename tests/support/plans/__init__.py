"""How Postgres would run the services' statements on tables of millions of rows."""
