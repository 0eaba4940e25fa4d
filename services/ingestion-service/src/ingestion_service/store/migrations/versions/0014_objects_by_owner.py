"""All bookings and payments of a client, for its change of zone."""

from alembic import op

from rapport_runtime.migrations.concurrent_indexes import create_index, drop_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index(
        op,
        "source_object_by_owner",
        "source_object",
        ("practice_id", "namespace", "owner_external_id"),
    )


def downgrade() -> None:
    drop_index(op, "source_object_by_owner")
