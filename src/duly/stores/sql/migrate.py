"""Brings a database's schema up to date."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from duly.stores.sql.database import database_at
from duly.stores.sql.schema import SCHEMA
from duly.stores.sql.versioned import found_version

Step = Callable[[Connection], None]


async def migrate(url: str, also: Step | None = None) -> None:
    """Make Duly's tables, or bring them up to date; nothing else in the database is touched.

    Safe to run twice and by several processes at once: one works, the others wait and find it done. ``also`` is run
    after that, on the same connection and still alone. Raises StoreUnavailable, Misconfigured.
    """

    def both(connection: Connection) -> None:
        upgrade(connection)
        if also is not None:
            also(connection)

    await database_at(url).migrate(both)


def upgrade(connection: Connection) -> None:
    """Run the migrations on a connection that holds the migration lock; a newer schema is left as it is."""
    if (found_version(connection) or "") > SCHEMA:
        return
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
