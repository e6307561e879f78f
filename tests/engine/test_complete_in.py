"""Completing a task inside the handler's own transaction: both commit, or neither does."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from duly import Context, Duly, Handle, Retry, Settings
from duly.assembly import migrate
from duly.domain.errors import ClaimLost, TaskFailed
from duly.domain.fact import LeaseExpired
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import decide
from tests.engine import work
from tests.engine.work import notes
from tests.support.databases import blocking_url
from tests.support.stage import becomes_true

ONCE = Retry(max_attempts=1)
LONG = 20


class Bureau:
    """A Duly with one worker on a database that it shares with a table of notes."""

    def __init__(self, duly: Duly, url: str, engine: Engine) -> None:
        self.duly = duly
        self.url = url
        self.engine = engine

    def notes(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.scalars(select(notes.c.text)))

    async def ended(self, handle: Handle[Any]) -> Task:
        return await self.duly.service.tasks.wait(handle.id, timedelta(seconds=LONG))

    async def taken_away(self, handle: Handle[Any]) -> None:
        """As if its lease had run out and been judged."""
        store = self.duly.service.store
        task = await handle.task()
        assert task.lease_until is not None
        change = decide(task, LeaseExpired(timedelta()), task.lease_until)
        assert change is not None
        assert await store.tasks.apply([change]) == []


@asynccontextmanager
async def bureau(url: str, register: Callable[[Duly, Engine], object]) -> AsyncIterator[Bureau]:
    settings = Settings.model_construct(database_url=url, poll_interval=timedelta(seconds=60), slots=2)
    await migrate(settings)
    engine = create_engine(blocking_url(url), connect_args=_patient(url))
    notes.create(engine)
    duly = Duly(settings)
    register(duly, engine)
    stop = asyncio.Event()
    async with duly:
        working = asyncio.create_task(duly.work(stop))
        try:
            yield Bureau(duly, url, engine)
        finally:
            stop.set()
            await working
            engine.dispose()


def _patient(url: str) -> dict[str, Any]:
    return {"timeout": 20} if url.startswith("sqlite") else {}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    found: str = request.getfixturevalue(name)
    return found


@pytest.mark.mistake(10)
async def test_a_commit_of_the_handler_s_own_completes_the_task(url: str) -> None:
    def register(duly: Duly, engine: Engine) -> None:
        @duly.task(retry=ONCE)
        def note(ctx: Context, text: str) -> str:
            with Session(engine) as session:
                session.execute(insert(notes).values(text=text))
                ctx.progress_sync(0.9, "noted")
                ctx.complete_in_sync(session, f"noted {text}")
                session.commit()
            return "this is not looked at"

    async with bureau(url, register) as office:
        task = await office.ended(await office.duly.submit("note", {"text": "milk"}))

        assert (task.state, task.result, task.attempt) == (State.COMPLETED, '"noted milk"', 1)
        assert task.progress == '{"fraction":0.9,"note":"noted"}'
        assert office.notes() == ["milk"]
        assert await office.duly.service.store.history.events(task.id) == []


async def test_a_transaction_that_is_rolled_back_leaves_the_task_and_its_error_counts(url: str) -> None:
    def register(duly: Duly, engine: Engine) -> None:
        @duly.task(retry=ONCE)
        def note(ctx: Context, text: str) -> str:
            with Session(engine) as session:
                session.execute(insert(notes).values(text=text))
                ctx.complete_in_sync(session, text)
                raise KeyError("after all not")

    async with bureau(url, register) as office:
        task = await office.ended(await office.duly.submit("note", {"text": "milk"}))

        assert (task.state, task.reason, task.failures) == (State.FAILED, Reason.HANDLER_ERROR, 1)
        assert "after all not" in (task.error or "")
        assert office.notes() == []


async def test_a_transaction_that_was_never_committed_is_the_handler_s_failure(url: str) -> None:
    def register(duly: Duly, engine: Engine) -> None:
        @duly.task(retry=ONCE)
        def note(ctx: Context) -> str:
            with Session(engine) as session:
                session.execute(insert(notes).values(text="lost"))
                ctx.complete_in_sync(session, "done")
            return "done"

    async with bureau(url, register) as office:
        task = await office.ended(await office.duly.submit("note"))

        assert task.state is State.FAILED
        assert "NotCommitted" in (task.error or "")
        assert office.notes() == []


async def test_what_is_raised_after_the_commit_cannot_undo_it(url: str) -> None:
    def register(duly: Duly, engine: Engine) -> None:
        @duly.task(retry=ONCE)
        def note(ctx: Context) -> str:
            with Session(engine) as session:
                session.execute(insert(notes).values(text="kept"))
                ctx.complete_in_sync(session, "done")
                session.commit()
            raise KeyError("too late")

    async with bureau(url, register) as office:
        task = await office.ended(await office.duly.submit("note"))

        assert (task.state, task.result, task.error) == (State.COMPLETED, '"done"', None)
        assert office.notes() == ["kept"]


@pytest.mark.mistake(23)
async def test_a_lost_claim_is_told_and_rolls_the_transaction_back(url: str) -> None:
    begun, go = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def register(duly: Duly, engine: Engine) -> None:
        @duly.task
        def note(ctx: Context) -> str:
            if ctx.attempt > 1:
                return "the second attempt"
            begun.set()
            go.wait(LONG)
            try:
                with Session(engine) as session:
                    session.execute(insert(notes).values(text="stale"))
                    ctx.complete_in_sync(session, "the first attempt")
                    session.commit()
            except ClaimLost as error:
                raised.append(error)
                raise
            return "done"

    async with bureau(url, register) as office:
        handle = await office.duly.submit("note")
        assert await asyncio.to_thread(begun.wait, LONG)
        await office.taken_away(handle)
        go.set()
        await becomes_true(lambda: len(raised) == 1)  # a claim passes by a row that this one's transaction has locked
        office.duly.core.herald.changed(await handle.task())
        task = await office.ended(handle)

        assert (task.state, task.result) == (State.COMPLETED, '"the second attempt"')
        assert office.notes() == []


async def test_a_result_that_cannot_be_stored_fails_the_task_once_there_too(url: str) -> None:
    """It was raised to the handler, passed for the handler's error, and was tried again."""

    def register(duly: Duly, engine: Engine) -> None:
        @duly.task
        def note(ctx: Context, size: int) -> Any:
            with Session(engine) as session:
                ctx.complete_in_sync(session, "x" * size if size else float("nan"))

    async with bureau(url, register) as office:
        invalid = await office.ended(await office.duly.submit("note", {"size": 0}))
        large = await office.ended(await office.duly.submit("note", {"size": 2_000_000}))

        assert (invalid.reason, invalid.attempt) == (Reason.RESULT_INVALID, 1)
        assert (large.reason, large.attempt) == (Reason.RESULT_TOO_LARGE, 1)


async def test_a_handler_that_is_cancelled_between_settle_and_commit_is_no_failure(url: str) -> None:
    """A cancelled transaction passed for one that the handler had forgotten to commit."""
    begun = asyncio.Event()

    def register(duly: Duly, engine: Engine) -> None:
        @duly.task(retry=ONCE)
        async def note(ctx: Context) -> None:
            with Session(engine) as session:
                session.execute(insert(notes).values(text="never"))
                await ctx.complete_in(session, None)
                begun.set()
                await asyncio.sleep(0)
                session.rollback()
                await asyncio.sleep(60)

    async with bureau(url, register) as office:
        handle = await office.duly.submit("note")
        await begun.wait()
        await handle.cancel()
        task = await office.ended(handle)

        assert (task.state, task.failures) == (State.CANCELLED, 0)


async def test_a_handler_in_a_process_completes_itself_too(sqlite_url: str) -> None:
    def register(duly: Duly, _: Engine) -> None:
        duly.handlers.add(work.note_in.task_type)

    async with bureau(sqlite_url, register) as office:
        done = await office.ended(await office.duly.submit("note_in", {"url": sqlite_url, "text": "milk"}))
        arguments = {"url": sqlite_url, "text": "bread", "commit": False}
        forgot = await office.ended(await office.duly.submit("note_in", arguments, max_attempts=1))

        assert (done.state, done.result) == (State.COMPLETED, '"noted milk"')
        assert "NotCommitted" in (forgot.error or "")
        assert office.notes() == ["milk"]


async def test_a_coroutine_completes_its_task_in_an_async_session(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url.replace("postgresql://", "postgresql+asyncpg://"))

    def register(duly: Duly, _: Engine) -> None:
        @duly.task(retry=ONCE)
        async def note(ctx: Context, text: str) -> str:
            async with AsyncSession(engine) as session, session.begin():
                await session.execute(insert(notes).values(text=text))
                await ctx.complete_in(session, f"noted {text}")
            return "this is not looked at"

    async with bureau(postgres_url, register) as office:
        task = await office.ended(await office.duly.submit("note", {"text": "milk"}))
        await engine.dispose()

        assert (task.state, task.result) == (State.COMPLETED, '"noted milk"')
        assert office.notes() == ["milk"]


async def test_a_submit_in_a_session_exists_when_and_only_when_that_commits(url: str) -> None:
    def register(duly: Duly, _: Engine) -> None:
        @duly.task
        async def echo(text: str) -> str:
            return text

    async with bureau(url, register) as office:
        with Session(office.engine) as session:
            forgotten = await office.duly.submit("echo", {"text": "no"}, session=session)
            session.rollback()
        with Session(office.engine) as session:
            kept = await office.duly.submit("echo", {"text": "yes"}, session=session)
            session.commit()

        assert (await office.ended(kept)).result == '"yes"'
        assert await office.duly.service.store.tasks.get([forgotten.id]) == {}


async def test_a_failure_of_a_handler_is_raised_to_whoever_waits_for_its_result(sqlite_url: str) -> None:
    def register(duly: Duly, _: Engine) -> None:
        @duly.task(retry=ONCE)
        def fail() -> None:
            raise KeyError("no")

    async with bureau(sqlite_url, register) as office:
        handle = await office.duly.submit("fail")
        with pytest.raises(TaskFailed) as caught:
            await handle.result(LONG)

        assert caught.value.reason is Reason.HANDLER_ERROR
