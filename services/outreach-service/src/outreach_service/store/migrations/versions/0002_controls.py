"""Pauses, the audit of what operators did, and replays of dead letters with a limit.

Outreach also counts its messages of unknown outcome, of which there are few among many."""

from alembic import op

from rapport_runtime.schema import tables_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables_v2.create(op)
    op.execute("CREATE INDEX message_unknown ON message (changed_at) WHERE state = 'unknown'")


def downgrade() -> None:
    op.execute("DROP INDEX message_unknown")
    tables_v2.drop(op)
