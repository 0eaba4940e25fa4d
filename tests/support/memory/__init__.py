"""The services' stores in memory, and the suites that they share with the stores on Postgres."""
