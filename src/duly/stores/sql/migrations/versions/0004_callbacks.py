"""Who is told when a task has become final."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the address to the tasks: without a default, so that no row is rewritten and the version before goes on."""
    # MySQL commits each step by itself: a migration that was cut off begins again, and finds some of them done.
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("duly_tasks")}
    if "callback_url" not in columns:
        op.add_column("duly_tasks", sa.Column("callback_url", sa.String(2048)))
