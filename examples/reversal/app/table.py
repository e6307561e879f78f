"""The application's own table, in the database where Duly's tables are."""

from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.settings import duly, settings

database = create_async_engine(
    make_url(settings.database_url).set(drivername="postgresql+asyncpg"), pool_pre_ping=True, pool_size=20
)
metadata = MetaData()
rows = Table(
    "tasks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("task_id", duly.table.c.id.type, nullable=False, unique=True),
    Column("input_data", Text, nullable=False),
    Column("result", Text),
)


async def prepare() -> None:
    """Make Duly's tables and ours, if they are not there; safe when several processes start at once."""
    await duly.migrate(metadata.create_all)
