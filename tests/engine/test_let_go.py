"""Attempts that are let go: a claim that was lost, a worker that stops."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from duly.domain.state import Reason, State
from duly.domain.task import Task, WorkerId
from duly.domain.transition import Change
from duly.engine import inline
from duly.engine.context import Context
from tests.engine.ending import SHORT, Signals, once
from tests.support.stage import Stage, a_stage, a_worker, at_work

OTHER = WorkerId("another-worker")


async def taken_away(stage: Stage, task: Task) -> None:
    """As if its lease had been judged elsewhere, and another worker had claimed it."""
    token = task._replace(token=None, worker=OTHER, version=task.version + 1)
    assert await stage.store.tasks.apply([Change(task, token)]) == []


@pytest.mark.mistake(23)
@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_a_handler_is_told_that_its_claim_is_lost_and_its_outcome_is_refused(executor: str) -> None:
    signals = Signals()

    async def in_loop(ctx: Context) -> str:
        signals.begun.set()
        await asyncio.sleep(60)
        return "late"

    def in_thread(ctx: Context) -> str:
        signals.begun.set()
        while not ctx.cancelled:
            time.sleep(0.005)
        return "late"

    body = in_loop if executor == "async" else in_thread
    async with at_work(once(body), lease=timedelta(milliseconds=600), sweeping=False) as stage:
        task_id = await stage.submit("work")
        await signals.until(signals.begun)

        await taken_away(stage, await stage.now(task_id))
        await stage.told.until("lease.lost")
        await stage.told.until("write.refused")

        task = await stage.now(task_id)
        assert (task.state, task.worker, task.result) == (State.RUNNING, OTHER, None)
        assert await stage.kinds(task_id) == ["write_refused"]


async def test_a_task_that_is_claimed_again_here_ends_the_attempt_that_lost_it() -> None:
    """The keeper knew tasks by id alone: it took the new claim for the old one, and the old handler was never told."""
    ended = asyncio.Event()

    async def slow(ctx: Context) -> str:
        if ctx.attempt == 1:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
        return f"attempt {ctx.attempt}"

    async with at_work(once(slow), sweeping=False) as stage:
        task_id = await stage.submit("work")
        task = await stage.until(task_id, State.RUNNING)
        pending = task._replace(state=State.PENDING, version=task.version + 1)

        await stage.store.tasks.apply([Change(task, pending)])
        done = await stage.ended(task_id)
        async with asyncio.timeout(10):
            await ended.wait()

        assert (done.state, done.result) == (State.COMPLETED, '"attempt 2"')


@pytest.mark.mistake(43)
async def test_a_stopping_worker_lets_tasks_finish_within_its_grace() -> None:
    signals = Signals()

    async def slow(ctx: Context) -> str:
        signals.begun.set()
        await asyncio.to_thread(signals.go.wait, 20)
        return "finished"

    async with a_stage(once(slow)) as stage:
        async with a_worker(stage, grace=timedelta(seconds=20)) as worker:
            task_id = await stage.submit("work")
            await signals.until(signals.begun)
            worker.stop.set()
            signals.go.set()
            await worker.end()

        task = await stage.now(task_id)
        assert (task.state, task.result) == (State.COMPLETED, '"finished"')


@pytest.mark.mistake(43)
@pytest.mark.parametrize("executor", ["async", "thread", "stubborn"])
async def test_what_runs_when_the_grace_is_over_is_put_back_uncharged(executor: str) -> None:
    signals = Signals()

    async def in_loop() -> None:
        signals.begun.set()
        await asyncio.sleep(60)

    async def stubborn() -> None:
        signals.begun.set()
        while not signals.go.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    def in_thread() -> None:
        signals.begun.set()
        signals.go.wait(20)

    body = {"async": in_loop, "stubborn": stubborn, "thread": in_thread}[executor]
    async with a_stage(once(body)) as stage:
        async with a_worker(stage, grace=SHORT) as worker:
            task_id = await stage.submit("work")
            await signals.until(signals.begun)
            await worker.stopped()

        task = await stage.now(task_id)
        signals.go.set()
        assert (task.state, task.reason) == (State.PENDING, Reason.INTERRUPTED)
        assert (task.failures, task.crashes) == (0, 0)


@pytest.mark.mistake(43)
async def test_a_worker_whose_handler_ignores_its_cancellation_is_gone_when_the_grace_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once, the time that a handler has to end began only then."""
    monkeypatch.setattr(inline, "COOPERATION", timedelta(minutes=1))
    signals = Signals()

    async def stubborn() -> None:
        signals.begun.set()
        while not signals.go.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async with a_stage(once(stubborn)) as stage:
        async with a_worker(stage, grace=timedelta(seconds=2)) as worker:
            task_id = await stage.submit("work")
            await signals.until(signals.begun)
            asked = time.monotonic()
            await worker.stopped()
            took = time.monotonic() - asked

        signals.go.set()
        task = await stage.now(task_id)
        assert took < 2 + 18  # on a busy machine
        assert (task.state, task.reason, task.failures, task.crashes) == (State.PENDING, Reason.INTERRUPTED, 0, 0)


async def test_a_thread_that_never_returns_does_not_hang_a_worker_that_stops_after_its_time_out() -> None:
    signals = Signals()

    def endless() -> None:
        signals.go.wait(30)

    async with a_stage(once(endless)) as stage:
        async with a_worker(stage, grace=SHORT) as worker:
            task = await stage.ran("work", timeout=SHORT)
            await worker.stopped()

        signals.go.set()
        assert task.reason is Reason.TIMEOUT
        assert await stage.kinds(task.id) == ["failed"]


async def test_a_cancelled_thread_that_goes_on_is_cancelled_when_its_worker_stops() -> None:
    signals = Signals()

    def deaf(ctx: Context) -> None:
        ctx.progress_sync(0, "begun")
        signals.go.wait(20)

    async with a_stage(once(deaf)) as stage:
        async with a_worker(stage, grace=SHORT) as worker:
            task_id = await stage.submit("work")
            await stage.noted(task_id, "begun")
            await stage.tasks.cancel(task_id)
            await worker.stopped()

        signals.go.set()
        assert (await stage.now(task_id)).state is State.CANCELLED


async def test_an_attempt_that_is_cancelled_from_outside_cancels_its_handler() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with a_stage(once(slow), sweeping=False) as stage:
        async with a_worker(stage) as worker:
            await stage.submit("work")
            await begun.wait()
            worker._run.cancel()
            await asyncio.wait([worker._run])

        async with asyncio.timeout(20):
            await ended.wait()
