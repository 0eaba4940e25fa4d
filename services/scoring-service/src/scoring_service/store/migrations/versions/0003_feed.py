"""Tier changes in the order of their publication, for those who follow without Kafka."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import open_to_purge, row_level_security

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
        # Null in a tombstone: the change was erased, its place is kept, so that a reader can tell
        # it from a change that is still to come.
        sa.Column("event", sa.LargeBinary),
        # When it was given its place: a purge removes by age, from the beginning.
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        comment="every tier change that the bus acknowledged, as it was published, until erased",
    )
    keep_places()
    row_level_security(op, "feed")
    open_to_purge(op, "feed", sees=("practice_id", "bucket", "position", "published_at"))


def downgrade() -> None:
    op.drop_table("feed")
    op.execute("DROP FUNCTION feed_keeps_its_places")


def keep_places() -> None:
    """Refuse TRUNCATE, DELETE for all but the purge, and every UPDATE but the one that makes a
    tombstone."""
    op.execute("""
        CREATE FUNCTION feed_keeps_its_places() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND acts_as_purge() THEN RETURN old; END IF;
            IF TG_OP = 'UPDATE' THEN
                IF new.event IS NULL AND (new.practice_id, new.bucket, new.position)
                        = (old.practice_id, old.bucket, old.position) THEN
                    RETURN new;
                END IF;
            END IF;
            RAISE EXCEPTION 'feed keeps its places; an event may only become null'
                USING ERRCODE = 'restrict_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keeps_its_places BEFORE UPDATE OR DELETE ON feed
        FOR EACH ROW EXECUTE FUNCTION feed_keeps_its_places()
    """)
    op.execute("""
        CREATE TRIGGER keeps_all_places BEFORE TRUNCATE ON feed
        FOR EACH STATEMENT EXECUTE FUNCTION feed_keeps_its_places()
    """)
