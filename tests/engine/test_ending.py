"""How an attempt is ended from outside: time-outs, cancels, stops, lost claims."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from duly.domain.retry import Retry
from duly.domain.state import Reason, State
from duly.domain.task import Task, WorkerId
from duly.domain.transition import Change
from duly.engine.context import Context
from duly.engine.handlers import Handlers
from tests.support.serving import a_type, handlers_of
from tests.support.stage import Stage, a_stage, a_worker, at_work

SHORT = timedelta(milliseconds=50)
OTHER = WorkerId("another-worker")


class Signals:
    """Between a test and a handler, whichever thread that runs in."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended = threading.Event()

    async def until(self, event: threading.Event) -> None:
        assert await asyncio.to_thread(event.wait, 20)


def once(body: Callable[..., Any], **given: Any) -> Handlers:
    """One type, "work", that is tried once."""
    handlers = Handlers()
    handlers.add(a_type("work", body, retry=Retry(max_attempts=1), **given))
    return handlers


async def taken_away(stage: Stage, task: Task) -> None:
    """As if its lease had been judged elsewhere, and another worker had claimed it."""
    token = replace(task, token=None, worker=OTHER, version=task.version + 1)
    assert await stage.store.tasks.apply([Change(task, token)]) == []


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
        again = replace(waiting, run_at=waiting.created_at, timeout=timedelta(hours=1), version=waiting.version + 1)
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

    def deaf(ctx: Context) -> None:
        ctx.progress_sync(0, "begun")
        signals.go.wait(20)

    async with at_work(once(deaf)) as stage:
        task_id = await stage.submit("work", timeout=timedelta(seconds=1.5))
        await stage.noted(task_id, "begun")
        await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)
        signals.go.set()

        assert (task.state, task.failures) == (State.CANCELLED, 0)


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
        pending = replace(task, state=State.PENDING, version=task.version + 1)

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


async def test_the_last_progress_is_written_with_the_outcome() -> None:
    """Progress is written once a second: what was said in the last moments before the end was lost."""

    async def busy(ctx: Context) -> None:
        for step in range(10):
            await ctx.progress((step + 1) / 10, f"step {step + 1}")

    async with at_work(once(busy)) as stage:
        task = await stage.ran("work")

        assert task.progress == '{"fraction":1.0,"note":"step 10"}'


async def test_progress_is_written_once_a_second_at_most() -> None:
    signals = Signals()

    def busy(ctx: Context) -> None:
        ctx.progress_sync(0, "begun")
        while not signals.go.is_set():
            ctx.progress_sync(0.5, f"at {time.monotonic()}")
            time.sleep(0.002)

    async with at_work(once(busy), lease=timedelta(milliseconds=300)) as stage:
        task_id = await stage.submit("work")
        began = time.monotonic()
        await stage.noted(task_id, "at ")
        await asyncio.to_thread(signals.go.wait, 1.2)
        signals.go.set()
        task = await stage.ended(task_id)

        assert task.progress_seq <= (time.monotonic() - began) + 3


async def test_a_progress_that_is_no_fraction_is_the_handler_s_error() -> None:
    async def wrong(ctx: Context) -> None:
        await ctx.progress(7)

    async with at_work(once(wrong)) as stage:
        task = await stage.ran("work")

        assert "progress is a fraction from 0 to 1, not 7" in (task.error or "")


async def test_complete_in_says_that_a_store_in_memory_takes_no_part_in_transactions() -> None:
    async def inside(ctx: Context) -> None:
        await ctx.complete_in(object(), None)

    async with at_work(once(inside)) as stage:
        task = await stage.ran("work")

        assert "Misconfigured" in (task.error or "")


async def test_what_a_context_tells_is_the_task_s() -> None:
    async def look(ctx: Context) -> dict[str, Any]:
        return {
            "id": str(ctx.task_id),
            "type": ctx.type,
            "queue": ctx.queue,
            "attempt": ctx.attempt,
            "failures": ctx.failures,
            "max_attempts": ctx.max_attempts,
            "timeout": ctx.timeout.total_seconds(),
            "request_id": ctx.request_id,
            "traceparent": ctx.traceparent,
            "cancelled": ctx.cancelled,
        }

    async with at_work(handlers_of(look=look)) as stage:
        task_id = await stage.submit("look", request_id="r-1", traceparent="00-1", timeout=timedelta(seconds=9))
        task = await stage.ended(task_id)

        assert task.result == (
            f'{{"id":"{task_id}","type":"look","queue":"default","attempt":1,"failures":0,"max_attempts":5,'
            '"timeout":9.0,"request_id":"r-1","traceparent":"00-1","cancelled":false}'
        )


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
