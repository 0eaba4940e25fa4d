"""Who may do what on a cluster with access control: made of the table of topics, so that a new
topic, writer or reader cannot be forgotten.

A writer that reads nothing, such as a booking system, may write its topic and see nothing. A
service writes its topics and also reads them: a worker looks at what it has published before it
goes on, and after a restore. Nobody else may do anything.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from rapport_runtime.topics import SharedTopic

OPERATORS = "rapport-operators"
"""Who gives the command `topics`."""
_READING = ("Read", "DescribeConfigs")
_MAKING = ("Create", "Describe", "DescribeConfigs")


class Grant(NamedTuple):
    """What one principal (Kafka's `User:<principal>`) may do with one topic or group; each
    operation by Kafka's name. Read and Write include Describe."""

    principal: str
    kind: Literal["topic", "group"]
    name: str
    operations: tuple[str, ...]
    is_prefix: bool = False


def grants(topics: Sequence[SharedTopic], prefix: str = "") -> list[Grant]:
    """All that anybody may do; `prefix` stands before each topic and group.

    A principal is called as the table calls it, with hyphens: `booking-systems`. A service reads in
    the group of its name, any other reader in groups that begin with its name and a hyphen.
    """
    services = _names(topic.readers for topic in topics) & _names(topic.writers for topic in topics)
    found: list[Grant] = []
    for topic in topics:
        name = prefix + topic.name
        for writer in topic.writers:
            reads = _READING if writer in services else ()
            found.append(Grant(_principal(writer), "topic", name, ("Write", *reads)))
        found += [Grant(_principal(reader), "topic", name, _READING) for reader in topic.readers]
        found.append(Grant(OPERATORS, "topic", name, _MAKING))
    for reader in sorted(_names(topic.readers for topic in topics)):
        is_service, group = reader in services, prefix + _principal(reader)
        name = group if is_service else f"{group}-"
        found.append(Grant(_principal(reader), "group", name, ("Read",), not is_service))
    return found


def script(topics: Sequence[SharedTopic], prefix: str = "") -> str:
    """The grants as a shell script for Kafka's own tool; it asks for BOOTSTRAP (`host:port`) and
    ADMIN (a file with the log-in of somebody who may alter the cluster)."""
    return "".join(f"{line}\n" for line in (*_HEAD, *_commands(grants(topics, prefix))))


_HEAD = (
    "#!/bin/sh",
    "# Who may write and read which topic, for a cluster with access control (docs/deployment.md).",
    "# Made from the contracts' table of topics by the command `topics --access`; not by hand.",
    "set -eu",
    "allow() {",
    '  kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN" --add --force "$@"',
    "}",
)


def _commands(every: Iterable[Grant]) -> Iterator[str]:
    for grant in every:
        operations = " ".join(f"--operation {operation}" for operation in grant.operations)
        pattern = " --resource-pattern-type prefixed" if grant.is_prefix else ""
        yield (
            f"allow --allow-principal User:{grant.principal} {operations}"
            f" --{grant.kind} {grant.name}{pattern}"
        )


def _names(of_topics: Iterable[Iterable[str]]) -> set[str]:
    return {name for names in of_topics for name in names}


def _principal(name: str) -> str:
    return name.replace(" ", "-")
