"""What the two services share: the table, one query that reads it beside Duly's, and the handler."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import JSON, Enum, FetchedValue, Text, func, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from duly import Context, Duly, Retry
from duly.settings import load_settings


class Options(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    demo_delay: float = 0.0
    """Seconds that each task takes longer, to be watched."""


options, settings = Options(), load_settings()
duly = Duly(settings)
run = duly.table.c
engine = create_async_engine(
    make_url(settings.database_url).set(drivername="mysql+asyncmy"),
    isolation_level="READ COMMITTED",
    connect_args={"charset": "utf8mb4", "init_command": "SET SESSION time_zone = '+00:00'"},
    pool_pre_ping=True,
)
transaction = async_sessionmaker(engine, expire_on_commit=False).begin


class Base(DeclarativeBase):
    pass


class Task(Base):
    """A row of db/init.sql. Its id is the id of Duly's task."""

    __tablename__ = "tasks"

    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Enum("PENDING", "PROCESSING", "COMPLETED", "FAILED"), default="PENDING")
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(run.created_at.type, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(run.created_at.type, server_default=FetchedValue())
    completed_at: Mapped[datetime | None] = mapped_column(run.finished_at.type)


ID = func.unhex(func.replace(Task.id, "-", ""))
TASKS = select(Task, run.state, run.finished_at).outerjoin(duly.table, run.id == ID)
"""One statement, so one moment: two would show a row from before its end and Duly's state from after it."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What is made of a task: the result, at ``GET /v1/tasks/{id}/result``."""

    words: int
    keywords: list[str]


@duly.task(name="tasks.process", retry=Retry(max_attempts=5))
async def process(ctx: Context) -> Digest:
    """Work on one row. Run twice it does the same twice: the row says what is to be done, and its end commits once."""
    async with transaction() as session:
        await mark(session, ctx, status="PROCESSING")
        task = await session.get_one(Task, str(ctx.task_id))
    digest = digest_of(f"{task.title} {task.description}")
    await asyncio.sleep(options.demo_delay)
    async with transaction() as session:
        await mark(session, ctx, status="COMPLETED", completed_at=text("CURRENT_TIMESTAMP(6)"))
        await ctx.complete_in(session, digest)
    return digest


async def mark(session: AsyncSession, ctx: Context, **values: object) -> None:
    """Write into this task's row."""
    await session.execute(update(Task).where(Task.id == str(ctx.task_id)).values(**values))


def digest_of(content: str) -> Digest:
    """The number of words, and the most frequent ones of more than three letters."""
    words = [word.strip(".,;:!?()\"'").lower() for word in content.split()]
    frequent = Counter(word for word in words if len(word) > 3)  # noqa: PLR2004  # shorter ones say little
    return Digest(len(words), [word for word, _ in frequent.most_common(5)])
