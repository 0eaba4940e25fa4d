"""Tier changes in the order of their publication, for those who follow without Kafka."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import append_only, row_level_security

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True),
        # Gapless within practice and bucket; given out under the bucket's lock, so that what is
        # seen of a bucket is always its beginning.
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        comment="every tier change that the bus acknowledged, as it was published",
    )
    append_only(op, "feed")
    row_level_security(op, "feed")


def downgrade() -> None:
    op.drop_table("feed")
    op.execute("DROP FUNCTION feed_is_append_only")
