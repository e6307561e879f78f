"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Go on to this schema; the code of the version before must still run on it."""
    ${upgrades if upgrades else "pass"}
