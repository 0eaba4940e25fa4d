"""The facts of a client that caused nothing so far, for its change of zone."""

from alembic import op

from rapport_runtime.migrations.concurrent_indexes import create_index, drop_index

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index(
        op,
        "ledger_without_effect",
        "ledger",
        ("practice_id", "client_id"),
        where="deltas IS NULL",
    )


def downgrade() -> None:
    drop_index(op, "ledger_without_effect")
