"""API keys, and the secret of the tokens that are given for them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from duly.stores.sql.types import LONG_TEXT, MOMENT

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make both tables. They are new, so they are in nobody's way."""
    op.create_table(
        "duly_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("queues", LONG_TEXT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        if_not_exists=True,
        **_options(),
    )
    op.create_table(
        "duly_secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        if_not_exists=True,
        **_options(),
    )


def _options() -> dict[str, Any]:
    """On MySQL and MariaDB: ids differ by every character, by case too (NO PAD)."""
    mariadb = getattr(op.get_bind().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
    return {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": collation}
