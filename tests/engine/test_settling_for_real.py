"""Settles: repeated after unknown outcomes, decided again after lost races, kept while the database is away."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from duly.domain.errors import RowInvalid, StoreUnavailable
from duly.domain.fact import Interrupted, Raised, Returned
from duly.domain.failure import Failure
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import Change
from duly.engine.background import in_background
from duly.engine.bell import LocalBell
from duly.engine.context import Context
from duly.engine.herald import Herald
from duly.engine.settle import Settler
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.moves import kinds_of, now_stored, running
from tests.support.outage import Outage
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, a_stage, a_worker, at_work, becomes_true
from tests.support.telling import Told


class Settling:
    """A settler at work on a store that can fail."""

    def __init__(self) -> None:
        self.store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
        self.told = Told()
        self.settler = Settler(self.store, Herald(LocalBell(), None), self.told)

    async def settle(self, task: Task, fact: Any, progress: str | None = None) -> Task | None:
        async with in_background(self.told, self.settler.run()), asyncio.timeout(20):
            return await self.settler.settle(task, fact, progress)


@pytest.fixture
async def settling() -> Settling:
    return Settling()


def a_change(task: Task, **given: object) -> Change:
    return Change(task, task._replace(version=task.version + 1, **given))


async def test_a_settle_whose_answer_was_lost_is_repeated_and_is_a_success(settling: Settling) -> None:
    task = await running(settling.store)
    settling.store.lost["apply"] = 2

    settled = await settling.settle(task, Returned(task.claim, '"done"'))

    assert settled is not None
    assert settled.state is State.COMPLETED
    assert settling.told.names == []


async def test_a_settle_that_lost_a_race_with_a_cancel_request_is_decided_again(settling: Settling) -> None:
    task = await running(settling.store)
    await settling.store.tasks.apply([a_change(task, cancelling=True)])

    settled = await settling.settle(task, Raised(task.claim, Failure("E", "e"), timedelta()))

    assert settled is not None
    assert settled.state is State.CANCELLED


async def test_a_handler_that_returned_before_it_saw_the_cancel_request_completes(settling: Settling) -> None:
    task = await running(settling.store)
    await settling.store.tasks.apply([a_change(task, cancelling=True)])

    settled = await settling.settle(task, Returned(task.claim, "1"))

    assert settled is not None
    assert settled.state is State.COMPLETED


async def test_the_settle_of_a_lost_claim_is_refused_and_told_in_the_story(settling: Settling) -> None:
    task = await running(settling.store)
    await settling.store.tasks.apply([a_change(task, token=None)])

    settled = await settling.settle(task, Returned(task.claim, "1"))

    assert settled is None
    assert await kinds_of(settling.store, task) == ["write_refused"]
    assert settling.told.of("write.refused")[0]["outcome"] == "Returned"


async def test_the_settle_of_a_task_that_is_gone_is_refused(settling: Settling) -> None:
    task = await running(settling.store)
    await settling.store.tasks.apply([a_change(task, state=State.CANCELLED, finished_at=task.created_at)])
    assert await settling.store.history.delete(await now_stored(settling.store, task))

    assert await settling.settle(task, Returned(task.claim, "1")) is None


async def test_a_refusal_that_cannot_be_recorded_is_told_in_the_log(settling: Settling) -> None:
    task = await running(settling.store)
    await settling.store.tasks.apply([a_change(task, token=None)])
    settling.store.faults["record"] = [StoreUnavailable("away")]

    assert await settling.settle(task, Interrupted(task.claim)) is None
    assert settling.told.names == ["write.refused", "event.unrecorded"]


async def test_what_the_database_refuses_to_keep_fails_the_task_once(settling: Settling) -> None:
    task = await running(settling.store)
    settling.store.faults["apply"] = [RowInvalid("no NUL here")]

    settled = await settling.settle(task, Returned(task.claim, "1"))

    assert settled is not None
    assert (settled.state, settled.reason) == (State.FAILED, Reason.RESULT_INVALID)


async def test_a_database_that_refuses_even_the_failure_is_not_asked_for_ever(settling: Settling) -> None:
    """It was: each refusal was answered with another failure to store."""
    task = await running(settling.store)
    settling.store.faults["apply"] = [RowInvalid("no")] * 10

    with pytest.raises(RowInvalid):
        await settling.settle(task, Returned(task.claim, "1"))


async def test_the_last_progress_never_lowers_the_count_that_readers_see(settling: Settling) -> None:
    task = await running(settling.store)
    await settling.store.tasks.apply([a_change(task, progress='"old"', progress_seq=task.progress_seq + 7)])

    settled = await settling.settle(task, Returned(task.claim, "1"), '"new"')
    stored = await now_stored(settling.store, task)

    assert settled is not None
    assert (stored.progress, stored.progress_seq) == ('"new"', task.progress_seq + 8)


@pytest.mark.mistake(24)
async def test_a_result_is_kept_while_the_database_is_away_and_settled_when_it_is_back() -> None:
    go = asyncio.Event()
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))

    async def work(ctx: Context) -> str:
        await ctx.progress(0, "begun")
        await go.wait()
        return "kept"

    async with at_work(handlers_of(work=work), store) as stage:
        task_id = await stage.submit("work")
        await stage.noted(task_id, "begun")
        store.away = True
        go.set()
        await stage.told.until("store.unavailable")
        await becomes_true(lambda: store.calls["apply"] >= 2)
        store.away = False
        task = await stage.ended(task_id)

        assert (task.state, task.result, task.attempt, task.crashes) == (State.COMPLETED, '"kept"', 1, 0)


@pytest.mark.mistake(31)
async def test_an_outage_longer_than_a_lease_charges_nobody_a_crash() -> None:
    signals = threading.Event()
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
    lease = timedelta(milliseconds=400)

    def work(ctx: Context) -> str:
        ctx.progress_sync(0, "begun")
        signals.wait(20)
        return "done"

    async with a_stage(handlers_of(work=work), store, lease=lease) as stage, a_worker(stage):
        task_id = await stage.submit("work")
        await stage.noted(task_id, "begun")
        lease_until = (await stage.now(task_id)).lease_until
        assert lease_until is not None
        store.away = True
        await becomes_true(lambda: store.clock.now() > lease_until + 2 * lease)
        store.away = False
        await stage.renewed(task_id)
        signals.set()
        task = await stage.ended(task_id)

        assert (task.state, task.attempt, task.crashes) == (State.COMPLETED, 1, 0)
