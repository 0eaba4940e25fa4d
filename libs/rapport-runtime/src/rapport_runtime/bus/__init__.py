"""The bus as services see it: records in, records out; Kafka is one adapter, memory the other."""
