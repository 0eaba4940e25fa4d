"""Apache Kafka through kafka-python: the only package that knows the client (`.importlinter`)."""

from rapport_runtime.bus.kafka.client import (
    KafkaOptions,
    KafkaSecurity,
    TopicPlan,
    ensure_topics,
)
from rapport_runtime.bus.kafka.consumer import KafkaConsumer
from rapport_runtime.bus.kafka.producer import KafkaProducer

__all__ = [
    "KafkaConsumer",
    "KafkaOptions",
    "KafkaProducer",
    "KafkaSecurity",
    "TopicPlan",
    "ensure_topics",
]
