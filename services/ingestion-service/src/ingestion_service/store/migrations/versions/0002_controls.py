"""Pauses, the audit of what operators did, and replays of dead letters with a limit."""

from alembic import op

from rapport_runtime.schema import tables_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables_v2.create(op)


def downgrade() -> None:
    tables_v2.drop(op)
