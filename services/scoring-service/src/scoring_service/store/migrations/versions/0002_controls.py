"""Pauses, the audit of what operators did, and replays of dead letters with a limit."""

from alembic import op

from rapport_runtime.tables import create_control_tables, drop_control_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_control_tables(op)


def downgrade() -> None:
    drop_control_tables(op)
