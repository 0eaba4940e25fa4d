"""The metadata of the runtime tables is what their released versions create."""

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.migrations import differences
from rapport_runtime.schema.metadata import runtime_tables

pytestmark = pytest.mark.integration


def test_the_metadata_is_what_the_versions_create(migrated: ServiceDatabase) -> None:
    metadata = sa.MetaData()
    runtime_tables(metadata)
    assert differences(migrated.owner_url, metadata) == []


def test_a_column_that_only_the_metadata_has_is_found(migrated: ServiceDatabase) -> None:
    metadata = sa.MetaData()
    runtime_tables(metadata)
    metadata.tables["worker"].append_column(sa.Column("new", sa.Text))
    ((kind, *_),) = differences(migrated.owner_url, metadata)
    assert kind == "add_column"
