"""What few source events say: the booking replaced, the refund meant, who cancelled, who paid."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OBJECT = (
    "a booking or payment, and what its events came to so far; its owner is the client whom"
    " its first accepted event names"
)
PARTS = (
    "a booking, a payment, or a refund or chargeback of one, and what its events came to so"
    " far; its owner is the client whom its first accepted event names"
)
ROW = (
    "every accepted source event, and what was published for it; ledger_id is the order of"
    " acceptance within a client, zone_rules the version by which its days were found"
)


def upgrade() -> None:
    op.add_column("ledger", sa.Column("details", postgresql.JSONB))
    op.create_table_comment("source_object", PARTS, existing_comment=OBJECT)
    said = f"{ROW}, details what few events say"
    op.create_table_comment("ledger", said, existing_comment=ROW)


def downgrade() -> None:
    op.create_table_comment("ledger", ROW)
    op.create_table_comment("source_object", OBJECT)
    op.drop_column("ledger", "details")
