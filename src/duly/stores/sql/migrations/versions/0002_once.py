"""The names that clients gave to their submits."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from duly.stores.sql.types import LONG_TEXT, MOMENT

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of Idempotency-Keys. It is new, so it is in nobody's way."""
    op.create_table(
        "duly_once",
        sa.Column("scope", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("task_ids", LONG_TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        if_not_exists=True,
        **_options(),
    )
    # MySQL commits each step by itself: a migration that was cut off begins again, and finds some of them done.
    if not sa.inspect(op.get_bind()).get_indexes("duly_once"):
        op.create_index("duly_once_created_at", "duly_once", ["created_at"])


def _options() -> dict[str, Any]:
    """On MySQL and MariaDB: keys differ by every character, by case and by spaces at the end too (NO PAD)."""
    mariadb = getattr(op.get_bind().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
    return {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": collation}
