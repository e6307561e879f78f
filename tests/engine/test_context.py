"""What a handler does with its context."""

import asyncio
import time
from datetime import timedelta
from typing import Any

from duly.engine.context import Context
from tests.engine.ending import Signals, once
from tests.support.serving import handlers_of
from tests.support.stage import at_work


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
