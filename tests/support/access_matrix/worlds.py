"""Every service's world by name; a fourth service is one more line."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from tests.support.access_matrix.ingestion import ingestion
from tests.support.access_matrix.outreach import outreach
from tests.support.access_matrix.scoring import scoring
from tests.support.access_matrix.world import ApiWorld

WORLDS: Mapping[str, Callable[[str], AbstractContextManager[ApiWorld]]] = MappingProxyType(
    {"ingestion": ingestion, "scoring": scoring, "outreach": outreach}
)
"""Service -> its world, made from the address of a Postgres server."""
