"""What the tables of this database share."""

import sqlalchemy as sa

from rapport_runtime.schema.metadata import runtime_tables

metadata = sa.MetaData()
runtime_tables(metadata)


def key_text() -> sa.Text:
    """Text that is compared byte by byte: look-ups are faster, and ids sort the same everywhere."""
    return sa.Text(collation="C")
