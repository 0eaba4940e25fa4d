"""The tables of what clients' statements come to: their contact points by time, and what holds."""

from typing import Any

import sqlalchemy as sa

from rapport_runtime.row_security import row_level_security


def create(op: Any) -> None:
    """Create the tables, guarded; `op` is alembic's."""
    op.create_table(
        "contact_point",
        *_of_client("channel"),
        _instant("valid_from", primary_key=True),
        sa.Column("blind_index", sa.Text(collation="C"), comment="null: there was none any more"),
        sa.Column("is_dated", sa.Boolean, nullable=False),
        sa.Column(
            "said_from",
            sa.DateTime(timezone=True),
            comment="the time that was said, where it lay ahead; null: valid_from",
        ),
        comment="which point was a client's at which time; the last one is in contact (ADR 41)",
    )
    op.create_table(
        "permission",
        *_of_client("channel", "purpose", "blind_index"),
        _instant("granted_at"),
        comment="the consents that hold, by contact point: made of consent and contact_point",
    )
    op.create_table(
        "opt_out",
        *_of_client("blind_index", "purpose"),
        _instant("withdrawn_at"),
        sa.Index("opt_out_of_point", "practice_id", "blind_index", "purpose", "withdrawn_at"),
        comment="who withdrew at a point, for everybody there: made of consent and contact_point",
    )
    row_level_security(op, "contact_point", api_may=("SELECT", "INSERT"))
    for table in ("permission", "opt_out"):
        row_level_security(op, table, api_may=("SELECT", "INSERT", "DELETE"))


def drop(op: Any) -> None:
    """Drop them."""
    for table in ("opt_out", "permission", "contact_point"):
        op.drop_table(table)


def _of_client(*more: str) -> list[sa.Column[str]]:
    return [
        sa.Column(name, sa.Text(collation="C"), primary_key=True)
        for name in ("practice_id", "client_id", *more)
    ]


def _instant(name: str, *, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), primary_key=primary_key, nullable=False)
