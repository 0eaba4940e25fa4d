"""The bus as an AsyncAPI 3 document, from the code: `python -m rapport_contracts.asyncapi`."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rapport_contracts.catalogue import CANONICAL, SOURCE
from rapport_contracts.examples import examples_of
from rapport_contracts.schemas import Schema, schemas
from rapport_contracts.topics import DAY_MS, TOPICS, Topic

VERSION = "0.2.0"
"""Of the contracts, as in pyproject.toml; topics and event types have their major version in their
names."""

_PARTS = "#/components/schemas/"
_DESCRIPTION = """\
The events that Rapport's services send, and those that other systems send to them. \
Every event is a CloudEvents 1.0 event in structured JSON, in UTF-8, at most 1 MiB; what a source \
sends may be in binary mode, with its attributes in headers (`ce_id`), as well. A record's \
partition is the CRC-32 of its key modulo the number of partitions. Delivery is at least once: \
keep the `id` of each event that you have handled, or of tier changes the `version`, which is \
gapless per client and scheme, and of activities the `sequence`, which is gapless per client and \
`generation`. Ignore fields that you do not know, and pass over events of types, \
and words under `x-open-enum`, that you do not know: they may be added at any time. The changelog \
says what a version 0.x replaces. From 1.0 on, within a major version, no field is \
removed, renamed, retyped or newly required, and no closed enumeration changes. The topics' names \
are logical; a deployment may put a prefix before them."""


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0.0 document of the whole bus: a channel a topic, a message an event type.

    Operations are those of Rapport's services: they receive what a system of yours sends, and send
    what your subscriber receives (F41). Self-contained; nothing refers elsewhere.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Rapport events", "version": VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operation(topic, *way) for topic in TOPICS for way in _ways(topic)),
        "components": _components(schemas()),
    }


def text() -> str:
    """The document as committed and printed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _events_on(topic: Topic) -> list[str]:
    return list(CANONICAL[topic.name] if topic.name in CANONICAL else SOURCE[topic.name])


def _channel(topic: Topic) -> dict[str, Any]:
    days = "the last of each key"
    if topic.retention_ms is not None:
        days = f"{topic.retention_ms // DAY_MS} days"
    configuration: dict[str, Any] = dict(topic.settings)
    configuration["cleanup.policy"] = [configuration["cleanup.policy"]]
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    return {
        "address": topic.name,
        "title": topic.name,
        "description": (
            f"{topic.content.capitalize()}. Key: {topic.key}."
            f" Written by {', '.join(topic.writers)}; read by {', '.join(topic.readers)}."
            f" Kept: {days}."
        ),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _events_on(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _ways(topic: Topic) -> Iterator[tuple[str, str]]:
    """(service, "send" or "receive") of each of Rapport's services that uses the topic."""
    for action, services in (("send", topic.writers), ("receive", topic.readers)):
        for service in services:
            if service.endswith("-service"):
                yield service, action


def _operation(topic: Topic, service: str, action: str) -> tuple[str, dict[str, Any]]:
    channel = f"#/channels/{topic.name}"
    return f"{service}.{action}.{topic.name}", {
        "action": action,
        "title": f"{service} {action}s {topic.name}",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _events_on(topic)],
        "tags": [{"name": service}],
    }


def _components(kinds: Mapping[str, Schema]) -> dict[str, Any]:
    """Messages by event type, and every schema once, though many events share its parts."""
    messages: dict[str, Any] = {}
    parts: dict[str, Schema] = {}
    for name, schema in kinds.items():
        own, inner = _taken_apart(schema)
        parts |= inner
        messages[name] = {
            "name": name,
            "title": name.removeprefix("rapport."),
            "summary": parts[own]["description"],
            "payload": {"$ref": f"{_PARTS}{own}"},
            "examples": [
                {"name": kind, "payload": event} for kind, event in examples_of(name).items()
            ],
        }
    return {"messages": messages, "schemas": {name: parts[name] for name in sorted(parts)}}


def _taken_apart(schema: Schema) -> tuple[str, dict[str, Schema]]:
    """The name of an event's own schema, and that schema and its parts, referring to components."""
    moved: Schema = json.loads(json.dumps(schema).replace('"#/$defs/', f'"{_PARTS}'))
    parts: dict[str, Schema] = moved.pop("$defs")
    if "$ref" in moved:
        return moved["$ref"].removeprefix(_PARTS), parts
    del moved["$schema"], moved["$id"]
    return moved["title"], parts | {moved["title"]: moved}


if __name__ == "__main__":
    sys.stdout.write(text())
