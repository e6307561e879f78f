"""How an attempt is ended from outside: time-outs and cancels."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from duly.domain.retry import Retry
from duly.domain.state import Reason, State
from duly.domain.transition import Change
from duly.engine.context import Context
from duly.engine.handlers import Handlers
from tests.engine.ending import SHORT, Signals, once
from tests.support.serving import a_type
from tests.support.stage import at_work


async def test_a_coroutine_that_takes_too_long_is_cancelled_and_fails() -> None:
    cleaned = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    async with at_work(once(slow)) as stage:
        task = await stage.ran("work", timeout=SHORT)

        assert (task.state, task.reason, task.failures) == (State.FAILED, Reason.TIMEOUT, 1)
        assert cleaned.is_set()


async def test_a_coroutine_that_fails_while_it_is_cancelled_for_its_time_out_has_timed_out() -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError("in the cleaning up")

    async with at_work(once(slow)) as stage:
        task = await stage.ran("work", timeout=SHORT)

        assert (task.state, task.reason) == (State.FAILED, Reason.TIMEOUT)


async def test_a_time_out_is_tried_again_by_the_rules_for_the_builtin_error() -> None:
    async def slow() -> None:
        await asyncio.sleep(60)

    handlers = Handlers()
    handlers.add(a_type("work", slow, retry=Retry(never=(TimeoutError,))))
    async with at_work(handlers) as stage:
        task = await stage.ran("work", timeout=SHORT)

        assert (task.state, task.reason, task.failures) == (State.FAILED, Reason.TIMEOUT, 1)


@pytest.mark.mistake(18)
async def test_a_thread_that_takes_too_long_keeps_its_slot_and_its_outcome_is_refused() -> None:
    signals = Signals()

    def slow() -> str:
        signals.begun.set()
        signals.go.wait(20)
        return "too late"

    async def quick() -> None:
        """Wants the slot."""

    handlers = once(slow)
    handlers.add(a_type("quick", quick))
    async with at_work(handlers, slots=1) as stage:
        task_id = await stage.submit("work", timeout=SHORT)
        task = await stage.ended(task_id)
        waiting = await stage.submit("quick")
        await signals.until(signals.begun)
        still = await stage.now(waiting)

        signals.go.set()
        await stage.told.until("write.refused")
        after = await stage.ended(waiting)

        assert (task.state, task.reason) == (State.FAILED, Reason.TIMEOUT)
        assert still.state is State.PENDING
        assert after.state is State.COMPLETED
        assert (await stage.now(task_id)).result is None
        assert (await stage.kinds(task_id)) == ["failed", "write_refused"]


async def test_an_old_attempt_that_ends_late_does_not_disturb_a_new_one_of_the_same_task() -> None:
    """It freed the slot of the new attempt, and dropped its lease: the task was taken away while it ran."""
    signals = [Signals(), Signals()]

    def slow(ctx: Context) -> str:
        signal = signals[min(ctx.failures, 1)]
        signal.begun.set()
        signal.go.wait(20)
        return f"attempt {ctx.attempt}"

    handlers = Handlers()
    handlers.add(a_type("work", slow, retry=Retry(initial=timedelta(hours=1), jitter=False)))
    async with at_work(handlers, lease=timedelta(milliseconds=300), slots=2) as stage:
        task_id = await stage.submit("work", timeout=SHORT)
        waiting = await stage.until(task_id, State.SCHEDULED)
        again = waiting._replace(run_at=waiting.created_at, timeout=timedelta(hours=1), version=waiting.version + 1)
        await stage.store.tasks.apply([Change(waiting, again)])
        await signals[1].until(signals[1].begun)

        signals[0].go.set()
        await stage.told.until("write.refused")
        await stage.renewed(task_id)
        signals[1].go.set()
        task = await stage.ended(task_id)

        assert (task.state, task.attempt, task.failures, task.crashes) == (State.COMPLETED, 2, 1, 0)
        assert task.result == '"attempt 2"'


async def test_a_coroutine_that_swallows_its_cancellation_is_settled_without_it() -> None:
    signals = Signals()

    async def stubborn() -> str:
        while not signals.go.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        return "too late"

    async with at_work(once(stubborn)) as stage:
        task = await stage.ran("work", timeout=SHORT)
        signals.go.set()
        refused = await stage.told.until("write.refused")

        assert (task.state, task.reason) == (State.FAILED, Reason.TIMEOUT)
        assert refused["outcome"] == "Returned"


async def test_a_coroutine_that_returns_although_its_time_is_over_has_completed() -> None:
    async def late() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "late"

    async with at_work(once(late)) as stage:
        task = await stage.ran("work", timeout=SHORT)

        assert (task.state, task.result) == (State.COMPLETED, '"late"')


async def test_a_cancel_reaches_a_coroutine_at_once() -> None:
    async def slow(ctx: Context) -> None:
        await ctx.progress(0, "begun")
        await asyncio.sleep(60)

    async with at_work(once(slow)) as stage:
        task_id = await stage.submit("work")
        await stage.noted(task_id, "begun")

        asked = await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)

        assert (asked.state, asked.cancelling) == (State.RUNNING, True)
        assert (task.state, task.reason, task.failures) == (State.CANCELLED, Reason.CANCELLED, 0)


async def test_a_cancelled_coroutine_that_cleans_up_is_not_cancelled_again_with_each_sign_of_life() -> None:
    cleaned = asyncio.Event()

    async def careful(ctx: Context) -> None:
        await ctx.progress(0, "begun")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)
            cleaned.set()

    async with at_work(once(careful), lease=timedelta(milliseconds=300)) as stage:
        task_id = await stage.submit("work")
        await stage.noted(task_id, "begun")
        await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)

        assert task.state is State.CANCELLED
        assert cleaned.is_set()


async def test_a_cancel_is_seen_by_a_thread_that_looks() -> None:
    def polite(ctx: Context) -> None:
        ctx.progress_sync(0, "begun")
        while not ctx.cancelled:
            time.sleep(0.005)
        raise InterruptedError

    async with at_work(once(polite)) as stage:
        task_id = await stage.submit("work")
        await stage.noted(task_id, "begun")

        await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)

        assert (task.state, task.failures) == (State.CANCELLED, 0)


async def test_a_thread_that_finishes_although_its_cancel_was_asked_for_has_completed() -> None:
    def thorough(ctx: Context) -> str:
        ctx.progress_sync(0, "begun")
        while not ctx.cancelled:
            time.sleep(0.005)
        return "done all the same"

    async with at_work(once(thorough)) as stage:
        task_id = await stage.submit("work")
        await stage.noted(task_id, "begun")

        await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)

        assert (task.state, task.result) == (State.COMPLETED, '"done all the same"')


async def test_a_thread_that_does_not_look_times_out_although_its_cancel_was_asked_for() -> None:
    """The cancel was the first cause and stayed the only one: nothing ended the attempt any more."""
    signals = Signals()

    async with at_work(once(signals.deaf)) as stage:
        task_id = await stage.submit("work", timeout=timedelta(seconds=3))
        await signals.until(signals.begun)
        await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)
        signals.go.set()

        assert (task.state, task.failures) == (State.CANCELLED, 0)
