"""The application's own table, in the database where Duly's tables are."""

from sqlalchemy import BigInteger, Column, DateTime, MetaData, String, Table, Text, func
from sqlalchemy.ext.asyncio import create_async_engine

from app.settings import database_url, duly

database = create_async_engine(database_url.set(drivername="postgresql+asyncpg"), pool_pre_ping=True, pool_size=20)
metadata = MetaData()
rows = Table(
    "tasks",
    metadata,
    Column("task_id", duly.table.c.id.type, primary_key=True),
    Column("status", String(20), nullable=False, server_default="pending"),
    Column("result", BigInteger),
    Column("error_message", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("completed_at", DateTime(timezone=True)),
)


async def prepare() -> None:
    """Make Duly's tables and ours, if they are not there; safe when several processes start at once."""
    await duly.migrate(metadata.create_all)
