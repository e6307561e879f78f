"""Whether the database's schema is the one that this code needs."""

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from duly.domain.errors import SchemaOutdated
from duly.stores.sql.schema import SCHEMA, VERSION_TABLE

_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))


def found_version(connection: Connection) -> str | None:
    """The migration that the database is at; None: it has never seen one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(_versions.c.version_num))


def check_version(connection: Connection) -> None:
    """Raise SchemaOutdated unless the database has this migration or a later one."""
    found = found_version(connection)
    if found is None or found < SCHEMA:
        raise SchemaOutdated(found, SCHEMA)


def prove_write(connection: Connection) -> None:
    """Write something that changes nothing and must yet be committed."""
    check_version(connection)
    connection.execute(_versions.update().values(version_num=_versions.c.version_num))
