"""What of the bus breaks its readers and writers, seen from the documents of two releases."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rapport_contracts.catalogue import CANONICAL, SOURCE
from rapport_contracts.codec import decode, decode_source
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import record_key
from tests.support.contracts.containment import Containment, Side

Document = Mapping[str, Any]


def event_breaks(old: Document, new: Document) -> list[str]:
    """One line for each broken promise of two AsyncAPI documents: where, and what.

    What a system of the customer's sends must go on being taken. What Rapport sends must also be
    read by yesterday's reader, and yesterday's records by today's, which reads a log again.
    """
    found = list(_channel_breaks(old["channels"], new["channels"]))
    kinds, now = old["components"]["messages"], new["components"]["messages"]
    sent = _sent(old)
    for name, message in kinds.items():
        if name not in now:
            found.append(f"{name}: removed")
            continue
        sides: tuple[Side, ...] = ("read", "written") if name in sent else ("read",)
        for side in sides:
            rule = Containment(old, new, side)
            found += rule.breaks(message["payload"], now[name]["payload"], name)
    return list(dict.fromkeys(found))


def undecodable(examples: Path) -> list[str]:
    """Released examples that today's codec refuses, each with the reason."""
    found = []
    for path in sorted(examples.glob("*/*.json")):
        for topic in _topics_of(path.parent.name):
            try:
                _decode(topic, path.read_bytes())
            except InvalidEvent as refusal:
                found.append(f"{path.parent.name}/{path.name} on {topic}: {refusal}")
    return found


def _channel_breaks(old: Document, new: Document) -> Iterator[str]:
    for name, channel in old.items():
        if name not in new:
            yield f"{name}: removed"
            continue
        for kind in channel["messages"].keys() - new[name]["messages"].keys():
            yield f"{name}: no longer carries {kind}"
        before, now = (one["bindings"]["kafka"]["partitions"] for one in (channel, new[name]))
        if before != now:
            yield f"{name}: {now} partitions where {before} are expected"


def _sent(document: Document) -> set[str]:
    """The messages that Rapport itself sends."""
    return {
        message["$ref"].rsplit("/", 1)[1]
        for operation in document["operations"].values()
        if operation["action"] == "send"
        for message in operation["messages"]
    }


def _topics_of(event_type: str) -> list[str]:
    """Every topic that carries the type; none would let an example pass unread."""
    topics = [name for name, kinds in (CANONICAL | SOURCE).items() if event_type in kinds]
    if not topics:
        raise LookupError(f"{event_type} is released and on no topic")
    return topics


def _decode(topic: str, value: bytes) -> None:
    if topic in CANONICAL:
        decode(topic, b"any key", value)
    else:
        key = record_key(decode_source(None, None, value))
        decode_source(topic, key.encode(), value)
