"""What was parked and is set aside says as a record what the source had said."""

import json
from typing import Any

import pytest

from ingestion_service import translate
from ingestion_service.source_records import record_of
from rapport_contracts.catalogue import SOURCE
from rapport_contracts.codec import decode_source
from rapport_contracts.examples import examples_of

EXAMPLES = [
    pytest.param(topic, example, id=f"{event_type}-{name}")
    for topic, types in SOURCE.items()
    for event_type in types
    for name, example in examples_of(event_type).items()
]


@pytest.mark.parametrize(("topic", "example"), EXAMPLES)
def test_a_fact_is_the_record_of_its_topic_that_says_the_same(
    topic: str, example: dict[str, Any]
) -> None:
    fact = translate.fact_of(decode_source(None, None, json.dumps(example).encode()))
    record = record_of(fact)
    assert record.topic == topic
    assert translate.decode(record.topic, record.key, record.value) == fact
