"""The chassis against real Postgres and Kafka."""
