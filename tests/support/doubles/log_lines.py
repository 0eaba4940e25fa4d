"""Log lines in memory instead of on stdout, whatever their level."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.testing import capture_logs
from structlog.types import EventDict


@contextmanager
def captured_lines() -> Iterator[list[EventDict]]:
    """The lines that our modules write meanwhile: each with `event`, `log_level` and its fields."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        structlog.configure(**before)
