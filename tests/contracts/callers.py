"""Applications that hold a transaction of their own, in each way that SQLAlchemy has: what Duly joins."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import Column, Integer, MetaData, NullPool, String, Table, create_engine, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from duly.domain.task import Task, TaskId
from duly.domain.transition import Change
from duly.ports.store import Store
from tests.support.databases import blocking_url

STYLES = ("session", "connection", "async_session", "async_connection")

notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("text", String(100), nullable=False))
"""The application's own table."""

Then = Callable[[], None]
Decide = Callable[[Task], Change]


class Caller(Protocol):
    """An application's open transaction. After a commit or a rollback the next one begins by itself."""

    session: object

    async def add(self, store: Store, task: Task, then: Then) -> Task: ...
    async def settle(self, store: Store, task_id: TaskId, decide: Decide, then: Then) -> Task: ...
    async def note(self, text: str) -> None: ...
    async def begin_nested(self) -> Any: ...
    async def end(self, transaction: Any, *, commit: bool) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...


class BlockingCaller:
    def __init__(self, session: Any) -> None:
        self.session = session

    async def add(self, store: Store, task: Task, then: Then) -> Task:
        return store.joined.add_blocking(self.session, task, then)

    async def settle(self, store: Store, task_id: TaskId, decide: Decide, then: Then) -> Task:
        return store.joined.settle_blocking(self.session, task_id, decide, then)

    async def note(self, text: str) -> None:
        self.session.execute(insert(notes).values(text=text))

    async def begin_nested(self) -> Any:
        return self.session.begin_nested()

    async def end(self, transaction: Any, *, commit: bool) -> None:
        (transaction.commit if commit else transaction.rollback)()

    async def commit(self) -> None:
        self.session.commit()

    async def rollback(self) -> None:
        self.session.rollback()


class AsyncCaller:
    def __init__(self, session: Any) -> None:
        self.session = session

    async def add(self, store: Store, task: Task, then: Then) -> Task:
        return await store.joined.add(self.session, task, then)

    async def settle(self, store: Store, task_id: TaskId, decide: Decide, then: Then) -> Task:
        return await store.joined.settle(self.session, task_id, decide, then)

    async def note(self, text: str) -> None:
        await self.session.execute(insert(notes).values(text=text))

    async def begin_nested(self) -> Any:
        return await self.session.begin_nested()

    async def end(self, transaction: Any, *, commit: bool) -> None:
        await (transaction.commit if commit else transaction.rollback)()

    async def commit(self) -> None:
        await self.session.commit()

    async def rollback(self) -> None:
        await self.session.rollback()


@asynccontextmanager
async def caller(url: str, style: str) -> AsyncIterator[Caller]:
    """An application at work on this database; it rolls back what it leaves open."""
    if style.startswith("async"):
        engine = create_async_engine(_async_url(url), poolclass=NullPool)
        async with _async_session(engine, style) as session:
            yield AsyncCaller(session)
        await engine.dispose()
    else:
        blocking = create_engine(blocking_url(url), poolclass=NullPool)
        with Session(blocking) if style == "session" else blocking.connect() as session:
            yield BlockingCaller(session)


def _async_session(engine: AsyncEngine, style: str) -> AsyncSession | AsyncConnection:
    return AsyncSession(engine) if style == "async_session" else engine.connect()


def _async_url(url: str) -> str:
    return url.replace("postgresql:", "postgresql+asyncpg:").replace("mysql:", "mysql+asyncmy:")


def make_notes(url: str) -> None:
    """The application's own table, empty."""
    engine = create_engine(blocking_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        notes.create(connection, checkfirst=True)
        connection.execute(delete(notes))


def texts_of(url: str) -> list[str]:
    """What the application has committed."""
    engine = create_engine(blocking_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return list(connection.scalars(select(notes.c.text).order_by(notes.c.id)))
