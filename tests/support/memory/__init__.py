"""The stores of the services in memory, and the suites of tests that they share with Postgres."""
