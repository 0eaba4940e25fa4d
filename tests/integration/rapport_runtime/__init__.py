"""The runtime against real Postgres and Kafka."""
