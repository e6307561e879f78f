"""What is never held: tasks behind a task, and what belongs to a request."""

import asyncio
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any

import pytest
from fastapi import Request, UploadFile
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from duly import Duly
from duly.domain.errors import Invalid
from duly.domain.query import TaskQuery
from duly.domain.state import State
from duly.testing import bench
from tests.support.serving import handlers_of
from tests.support.stage import a_stage, a_worker

HOUR = timedelta(hours=1)


@pytest.mark.mistake(13)
async def test_nothing_waits_behind_a_long_task_while_another_worker_is_free():
    go = asyncio.Event()

    async def long() -> None:
        await go.wait()

    async def short() -> None:
        """Ends at once."""

    async with a_stage(handlers_of(long=long, short=short)) as stage, a_worker(stage, slots=1):
        held = await stage.submit("long")
        await stage.until(held, State.RUNNING)
        behind = [await stage.submit("short") for _ in range(5)]
        async with a_worker(stage, slots=1):
            ended = [(await stage.ended(one)).state for one in behind]
        still = await stage.now(held)
        go.set()

    assert ended == [State.COMPLETED] * 5
    assert still.state is State.RUNNING


@pytest.mark.mistake(13)
async def test_what_is_delayed_is_held_by_the_database_and_by_no_worker():
    async def later() -> None:
        """Never runs here."""

    async with a_stage(handlers_of(later=later)) as stage, a_worker(stage, slots=100):
        delayed = [await stage.submit("later", delay=HOUR) for _ in range(50)]
        await stage.ran("later")
        states = {(await stage.now(one)).state for one in delayed}
        attempts = {(await stage.now(one)).attempt for one in delayed}

    assert (states, attempts) == ({State.SCHEDULED}, {0})


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)


@contextmanager
def _sessions():
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        yield session
    engine.dispose()


@contextmanager
def _uploads():
    with BytesIO(b"a") as file:
        yield UploadFile(file)


@pytest.mark.mistake(6)
@pytest.mark.parametrize(
    "made",
    [
        _sessions,
        _uploads,
        TemporaryFile,
        lambda: nullcontext(_Row(id=1)),
        lambda: nullcontext({"inside": [_Row(id=1)]}),
        lambda: nullcontext(Request({"type": "http", "headers": []})),
        lambda: nullcontext(asyncio.Lock()),
        lambda: nullcontext(print),
    ],
)
async def test_what_lives_as_long_as_a_request_cannot_be_handed_to_a_task(made):
    duly = Duly()

    @duly.task
    async def keep(thing: Any) -> None:
        """Takes whatever JSON has."""

    async with bench(duly):
        with made() as thing, pytest.raises(Invalid):
            await keep.submit(thing=thing)
        page = await duly.service.tasks.page(TaskQuery())

    assert page.tasks == ()
