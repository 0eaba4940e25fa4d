"""Files on their way into the ledger, and the holds of their practices; what snapshots have said to
be planned (ADR 51)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counts = ("position", "accepted", "duplicate", "parked", "rejected")
    op.create_table(
        "import_job",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("job_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("file_hash", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
            for name in counts
        ),
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Column("hold_id", sa.Text),
        sa.Column("stands_at", sa.DateTime(timezone=True)),
        sa.Column("incarnation", sa.Text),
        sa.CheckConstraint(
            "num_nulls(hold_id, stands_at, incarnation) IN (0, 3)", name="import_job_hold_is_whole"
        ),
        comment="files that are on their way into the ledger: how far each has come, and the time"
        " at which its practice stands meanwhile",
        postgresql_with={"fillfactor": 50},
    )
    row_level_security(op, "import_job", api_may=("SELECT", "UPDATE"))
    op.create_table(
        "planned_booking",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("booking_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        comment="bookings that the last snapshots of a source have said to be planned, and for"
        " when",
    )
    op.create_index(
        "planned_booking_by_hour",
        "planned_booking",
        ["practice_id", "source", "starts_at", "booking_id"],
    )
    row_level_security(op, "planned_booking", api_may=())


def downgrade() -> None:
    op.drop_table("planned_booking")
    op.drop_table("import_job")
