"""Pauses, the audit of what operators did, and replays of dead letters with a limit.

Outreach also counts its messages of unknown outcome, of which there are few among many."""

from alembic import op

from rapport_runtime.tables import create_control_tables, drop_control_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_control_tables(op)
    op.execute("CREATE INDEX message_unknown ON message (changed_at) WHERE state = 'unknown'")


def downgrade() -> None:
    op.execute("DROP INDEX message_unknown")
    drop_control_tables(op)
