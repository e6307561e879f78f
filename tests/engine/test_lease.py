"""Signs of life: what keeps the leases."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from duly.domain.state import State
from duly.domain.task import Task
from duly.domain.transition import Change
from duly.engine.cause import Cause
from duly.engine.context import Context
from duly.engine.lease import LeaseKeeper
from duly.engine.limits import Limits
from duly.engine.running import Means, Running
from duly.engine.stall import StallWatch
from duly.ports.store import MAX_BATCH, Renewal, Store
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.builders import WORKER
from tests.support.moves import now_stored, running
from tests.support.outage import Gate, Outage
from tests.support.serving import a_type, handlers_of
from tests.support.stage import LONG, RealClock, at_work, becomes_true
from tests.support.telling import Told

LEASE = timedelta(milliseconds=300)


async def nothing() -> None:
    """The handler of the tasks that are held here."""


class Keeping:
    """A keeper and its store, and the attempts that it holds."""

    def __init__(self) -> None:
        self.store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
        self.told = Told()
        self.opened = 0
        self.refuse_to_open: list[Exception] = []
        self.keeper = LeaseKeeper(
            self._open,
            lease=LEASE,
            grace=timedelta(seconds=1),
            stall=StallWatch(warn_after=timedelta(hours=1), end_after=timedelta(hours=2), emit=self.told),
            emit=self.told,
        )

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Store]:
        if self.refuse_to_open:
            raise self.refuse_to_open.pop(0)
        self.opened += 1
        yield self.store

    async def held(self, **given: object) -> Running:
        task = await running(self.store, **given)
        return self.hold(task)

    def hold(self, task: Task) -> Running:
        means = Means(Limits(), lambda *_: None, joined=None, now=self.store.clock.now)
        attempt = Running(task, a_type(task.type, nothing), means)
        self.keeper.hold(attempt, time.monotonic())
        return attempt

    async def now(self, attempt: Running) -> Task:
        return await now_stored(self.store, attempt.task)

    async def changed(self, attempt: Running, **given: object) -> None:
        task = await self.now(attempt)
        await self.store.tasks.apply([Change(task, task._replace(version=task.version + 1, **given))])

    async def calls(self, name: str, times: int) -> None:
        """Wait until the method has done its work so many times more."""
        wanted = self.store.done[name] + times
        await becomes_true(lambda: self.store.done[name] >= wanted)


@pytest.fixture
async def keeping() -> AsyncIterator[Keeping]:
    keeping = Keeping()
    keeping.keeper.start()
    yield keeping
    await asyncio.to_thread(keeping.keeper.stop)
    assert not keeping.keeper._thread.is_alive()


async def test_all_leases_are_renewed_in_one_statement(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = [await keeping.held() for _ in range(5)]
    store, renewed = keeping.store.store.tasks, []
    renew = store.renew

    async def counted(renewals: list[Renewal], lease: timedelta) -> object:
        renewed.append(len(renewals))
        return await renew(renewals, lease)

    monkeypatch.setattr(store, "renew", counted)
    before = [(await keeping.now(attempt)).lease_until for attempt in attempts]

    await keeping.calls("renew", 2)

    after = [(await keeping.now(attempt)).lease_until for attempt in attempts]
    assert all(a != b for a, b in zip(after, before, strict=True))
    assert set(renewed) == {5}


async def test_more_claims_than_a_batch_are_renewed_in_several(keeping: Keeping) -> None:
    for _ in range(MAX_BATCH + 1):
        await running(keeping.store)
    tasks = await keeping.store.roster.claims(WORKER)
    for task in tasks:
        keeping.hold(task)

    await keeping.calls("renew", 2)

    assert len(tasks) == MAX_BATCH + 1


async def test_what_is_released_is_renewed_no_more(keeping: Keeping) -> None:
    attempt, other = await keeping.held(), await keeping.held()
    keeping.keeper.release(attempt)
    lease = (await keeping.now(attempt)).lease_until

    await keeping.calls("renew", 2)

    assert (await keeping.now(attempt)).lease_until == lease
    assert other.cause is None


async def test_no_lease_is_kept_beyond_the_time_out_and_the_grace(keeping: Keeping) -> None:
    attempt = await keeping.held(timeout=timedelta(seconds=-0.9))  # as if it had run for so long
    await keeping.held()
    await becomes_true(lambda: time.monotonic() > 0)
    await keeping.calls("renew", 1)
    await keeping.calls("renew", 1)
    lease = (await keeping.now(attempt)).lease_until
    await keeping.calls("renew", 1)

    assert (await keeping.now(attempt)).lease_until == lease


async def test_a_lost_claim_is_told_once_and_held_no_longer(keeping: Keeping) -> None:
    attempt = await keeping.held()
    await keeping.changed(attempt, token=None)

    await keeping.told.until("lease.lost")

    await becomes_true(lambda: attempt.cause is Cause.LOST)
    await keeping.held()
    await keeping.calls("renew", 2)
    assert keeping.told.names == ["lease.lost"]


async def test_a_claim_that_is_just_being_settled_is_not_called_lost(keeping: Keeping) -> None:
    """Between the commit of a settle and its answer a renewal found no claim, and warned of a lost lease."""
    attempt = await keeping.held()
    keeping.keeper.settling(attempt)
    await keeping.changed(attempt, state=State.COMPLETED)
    await keeping.held()

    await keeping.calls("renew", 2)

    assert keeping.told.names == []
    assert attempt.cause is None


async def test_a_claim_that_was_released_while_it_was_renewed_is_not_called_lost(keeping: Keeping) -> None:
    gate = Gate()
    attempt = await keeping.held()
    await keeping.changed(attempt, state=State.COMPLETED)
    keeping.store.after["renew"] = gate
    await gate.reached()

    keeping.keeper.release(attempt)
    gate.open()
    await keeping.held()
    await keeping.calls("renew", 1)

    assert keeping.told.names == []


async def test_a_cancel_request_comes_with_the_next_sign_of_life(keeping: Keeping) -> None:
    attempt = await keeping.held()
    await keeping.changed(attempt, cancelling=True)

    await becomes_true(lambda: attempt.cause is Cause.CANCEL)


async def test_a_keeper_that_is_asked_to_looks_for_cancels_at_once() -> None:
    keeping = Keeping()
    keeping.keeper._interval = 3600.0
    keeping.keeper._tick = 3600.0
    keeping.keeper.start()
    attempt, other = await keeping.held(), await keeping.held()
    keeping.keeper.look_for_cancels()
    await keeping.calls("cancelling", 1)
    await keeping.changed(attempt, cancelling=True)

    keeping.keeper.look_for_cancels()
    await becomes_true(lambda: attempt.cause is Cause.CANCEL)
    await asyncio.to_thread(keeping.keeper.stop)

    assert other.cause is None


async def test_progress_that_is_reported_while_older_one_is_written_is_not_lost(keeping: Keeping) -> None:
    gate = Gate()
    attempt = await keeping.held()
    keeping.keeper.report(attempt, '"first"')
    keeping.store.after["renew"] = gate
    await gate.reached()

    keeping.keeper.report(attempt, '"second"')
    gate.open()

    async with asyncio.timeout(20):
        while (await keeping.now(attempt)).progress != '"second"':  # noqa: ASYNC110  # nothing rings
            await asyncio.sleep(0.01)


async def test_progress_of_what_is_held_no_longer_is_dropped(keeping: Keeping) -> None:
    attempt = await keeping.held()
    keeping.keeper.release(attempt)

    keeping.keeper.report(attempt, '"late"')

    assert keeping.keeper.settling(attempt) is None


async def test_an_outage_is_told_and_what_was_to_be_written_is_kept(keeping: Keeping) -> None:
    attempt = await keeping.held()
    keeping.store.away = True
    keeping.keeper.report(attempt, '"kept"')
    await keeping.told.until("lease.unrenewed", times=2)

    keeping.store.away = False

    async with asyncio.timeout(20):
        while (await keeping.now(attempt)).progress != '"kept"':  # noqa: ASYNC110  # nothing rings
            await asyncio.sleep(0.01)
    assert attempt.cause is None


async def test_a_fault_of_its_store_does_not_end_the_keeper(keeping: Keeping) -> None:
    """It ended its thread: every lease of the process ran out, and nobody was told."""
    keeping.store.faults["renew"] = [ZeroDivisionError()]
    attempt = await keeping.held()
    await keeping.told.until("lease.unrenewed")
    lease = (await keeping.now(attempt)).lease_until

    await keeping.calls("renew", 3)

    assert (await keeping.now(attempt)).lease_until != lease
    assert keeping.opened == 2


async def test_a_store_that_cannot_be_opened_is_tried_again_and_a_stop_ends_the_trying() -> None:
    keeping = Keeping()
    keeping.refuse_to_open = [ZeroDivisionError()] * 1000
    keeping.keeper.start()
    await keeping.told.until("lease.unrenewed", times=2)

    began = time.monotonic()
    await asyncio.to_thread(keeping.keeper.stop)

    assert time.monotonic() - began < 20
    assert not keeping.keeper._thread.is_alive()


async def test_a_worker_notices_a_cancel_that_is_rung_at_once() -> None:
    async def slow(ctx: Context) -> None:
        await ctx.progress(0, "begun")
        await asyncio.sleep(60)

    async with at_work(handlers_of(slow=slow), lease=3 * LONG) as stage:
        task_id = await stage.submit("slow")
        await stage.noted(task_id, "begun")
        await stage.tasks.cancel(task_id)
        # The next renewal, which would tell of it too, comes later than anybody waits here.
        task = await stage.ended(task_id)

        assert task.state is State.CANCELLED
