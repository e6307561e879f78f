"""The application's own table, and one query that reads it beside Duly's."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, case, create_engine, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.settings import duly, settings

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
THREADS = 40
"""FastAPI answers in so many threads: none should wait for a connection."""

url = make_url(settings.database_url)
engine = create_engine(url.set(drivername=DRIVERS[url.drivername]), pool_size=THREADS)
run = duly.table.c


class Base(DeclarativeBase):
    pass


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    duly_id: Mapped[UUID] = mapped_column(run.id.type, unique=True)
    task_type: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    result: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(run.created_at.type, default=lambda: datetime.now(UTC))
    completed_at: Mapped[datetime | None] = mapped_column(run.finished_at.type)


STATUS: ColumnElement[str] = case(
    (run.state.in_(["scheduled", "pending"]), "pending"),
    (run.state == "running", "running"),
    (Task.completed_at.is_not(None), "completed"),  # also when Duly's row has been purged
    else_="failed",  # or cancelled: it never stays pending for ever
)
TASKS = (
    select(Task, STATUS.label("status"), run.error, run.attempt, run.started_at, run.finished_at, run.progress)
    .outerjoin(duly.table, run.id == Task.duly_id)
    .order_by(Task.id.desc())
)


async def prepare() -> None:
    """Make Duly's table and ours, if they are not there; safe when several processes start at once."""
    await duly.migrate(Base.metadata.create_all)
