"""A booking or payment whose client is not known yet, and parts of one."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OBJECT = (
    "a booking or payment, and what its events came to so far; its owner is the client whom its"
    " first accepted event names"
)
PARTS = (
    "a booking, a payment, or a refund or chargeback of one, and what its events came to so far;"
    " its owner is the client whom its first accepted event names, null where all wait"
)
OWNER = ("namespace", "owner_external_id")


def upgrade() -> None:
    op.create_table_comment("source_object", PARTS)
    for column in OWNER:
        op.alter_column("source_object", column, nullable=True)


def downgrade() -> None:
    for column in OWNER:
        op.alter_column("source_object", column, nullable=False)
    op.create_table_comment("source_object", OBJECT)
