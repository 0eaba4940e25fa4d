"""Services that a bench starts for itself, on the real clock, with practices to send for."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tools.bench.environment import Environment

READY_SECONDS: Final = 240.0
"""So long the services may take to start where the machine has other work, too."""
_PRACTICE: Final = {
    "zone": "Europe/London",
    "currency": "GBP",
    "undeclared_sources": "accept",
}


@contextmanager
def with_practices(
    environment: Environment, name: str, services: Sequence[str], practices: Iterable[str]
) -> Iterator[Stack]:
    """These services, ingestion among them, in a folder, topics and databases called `name`."""
    folder = environment.folder / name
    folder.mkdir()
    options = StackOptions(
        folder=folder,
        services=tuple(services),
        topic_prefix=f"{name}_",
        database_prefix=f"{name}_",
        simulated_clock=False,
        ready_seconds=READY_SECONDS,
    )
    with Stack(options, postgres=environment.postgres, kafka=environment.kafka) as stack:
        operator = stack.api("ingestion", stack.create_key("ingestion", "practices:write"))
        for practice in practices:
            operator.put(f"/v1/practices/{practice}", {"name": practice, **_PRACTICE})
        yield stack
