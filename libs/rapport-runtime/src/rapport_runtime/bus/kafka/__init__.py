"""Apache Kafka through kafka-python: the only package that knows the client (`.importlinter`)."""

from rapport_runtime.bus.kafka.client import KafkaOptions, KafkaSecurity
from rapport_runtime.bus.kafka.consumer import KafkaConsumer
from rapport_runtime.bus.kafka.log_reader import KafkaLogReader
from rapport_runtime.bus.kafka.producer import KafkaProducer
from rapport_runtime.bus.kafka.topics import TopicPlan, check_topics, ensure_topics

__all__ = [
    "KafkaConsumer",
    "KafkaLogReader",
    "KafkaOptions",
    "KafkaProducer",
    "KafkaSecurity",
    "TopicPlan",
    "check_topics",
    "ensure_topics",
]
