"""A worker that stops: what its handlers may still do, and what is put back."""

import asyncio
import time
from datetime import timedelta

from duly import Context
from duly.domain.state import Reason, State
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.engine.ending import Signals, once
from tests.support.outage import Gate, Outage
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, a_stage, a_worker


async def test_a_thread_that_ends_when_its_worker_stops_has_the_last_word() -> None:
    """It was put back as it was told to end: another worker ran it beside it, and its outcome was refused."""

    def polite(ctx: Context) -> str:
        ctx.progress_sync(0, "begun")
        while not ctx.cancelled:
            time.sleep(0.005)
        time.sleep(0.05)
        return "to the end"

    async with a_stage(once(polite)) as stage:
        task_id = await stage.submit("work")
        async with a_worker(stage, grace=timedelta(seconds=2)) as worker:
            await stage.noted(task_id, "begun")
            await worker.stopped()

        task = await stage.now(task_id)
        assert (task.state, task.result, await stage.kinds(task_id)) == (State.COMPLETED, '"to the end"', [])


async def test_a_thread_that_goes_on_when_its_worker_stops_is_put_back() -> None:
    signals = Signals()

    async with a_stage(once(signals.deaf)) as stage:
        task_id = await stage.submit("work")
        async with a_worker(stage, grace=timedelta(seconds=1)) as worker:
            await signals.until(signals.begun)
            await worker.stopped()
        task = await stage.now(task_id)
        signals.go.set()

        assert (task.state, task.reason, task.crashes) == (State.PENDING, Reason.INTERRUPTED, 0)


async def test_a_claim_whose_answer_is_lost_as_its_worker_stops_is_not_left_to_its_lease() -> None:
    """Nobody looked for it any more: it waited for its lease to end, and was charged a crash."""
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))

    async def work() -> str:
        return "done"

    async with a_stage(handlers_of(work=work), store, sweeping=False) as stage:
        task_id = await stage.submit("work")
        store.after["claim"] = gate = Gate()
        async with a_worker(stage, grace=timedelta(seconds=5)) as worker:
            await gate.reached()
            store.lost["claim"] = 1
            worker.stop.set()
            await asyncio.sleep(0.05)
            gate.open()
            await worker.end()

        assert (await stage.now(task_id)).state is not State.RUNNING
