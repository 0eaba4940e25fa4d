"""The view of digests passes over what stands behind the days in versions 3 and 4 (ADR 59)."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_DAYS = """
    CREATE OR REPLACE FUNCTION digest_days(digest bytea) RETURNS TABLE (
        on_day date, completed numeric, no_show numeric, settled numeric, refunded numeric
    ) LANGUAGE sql IMMUTABLE STRICT AS $$
        SELECT date '0001-01-01' + (digest_number(digest, at, day)::integer - 1),
               digest_number(digest, at + day, count),
               digest_number(digest, at + day + count, count),
               digest_number(digest, at + day + 2 * count, amount),
               digest_number(digest, at + day + 2 * count + amount, amount)
        FROM (VALUES {widths}) AS width(version, begins, day, count, amount),
             generate_series(
                 begins,
                 CASE WHEN begins = 1 OR get_byte(digest, 0) <> version THEN length(digest)
                      ELSE begins
                           + digest_number(digest, 1, 4)::integer * (day + 2 * count + 2 * amount)
                 END - (day + 2 * count + 2 * amount),
                 day + 2 * count + 2 * amount
             ) AS at
        WHERE get_byte(digest, 0) = version
    $$
"""
_ALONE = "(1, 1, 4, 4, 8), (2, 1, 16, 16, 16)"
_AND_MORE = f"{_ALONE}, (3, 5, 4, 4, 8), (4, 5, 16, 16, 16)"


def upgrade() -> None:
    op.execute(_DAYS.format(widths=_AND_MORE))


def downgrade() -> None:
    op.execute(_DAYS.format(widths=_ALONE))
