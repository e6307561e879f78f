"""Moving on what time has moved."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain.errors import StoreUnavailable
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.engine import sweep
from duly.engine.bell import LocalBell
from duly.engine.herald import Herald
from duly.engine.sweep import Sweeper
from duly.ports.bell import queue_topic, task_topic
from duly.ports.store import MAX_BATCH
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing import FakeClock
from tests.support.builders import NOON, a_running_task, a_task
from tests.support.moves import now_stored
from tests.support.outage import Gate, Outage
from tests.support.serving import handlers_of
from tests.support.stage import at_work
from tests.support.telling import Told

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


class Monotonic:
    """The machine's own running time, as a test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(sweep, "time", self)

    def monotonic(self) -> float:
        return self.now


class Sweeping:
    """A sweeper, and what it sweeps; ``passed`` lets time pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock(NOON)
        self.database = MemoryDatabase()
        self.store = Outage(MemoryStore(self.database, self.clock))
        self.bell = LocalBell()
        self.told = Told()
        self.sweeper = self.another()
        self.monotonic = Monotonic(monkeypatch)

    def another(self) -> Sweeper:
        return Sweeper(self.store, Herald(self.bell, None), LEASE, self.told)

    def passed(self, time: timedelta) -> None:
        self.clock.advance(time)
        self.monotonic.now += time.total_seconds()

    async def in_contact(self) -> None:
        """A lease of unbroken contact."""
        for _ in range(4):
            await self.sweeper.step()
            self.passed(LEASE / 3)

    async def add(self, *tasks: Task) -> None:
        await self.store.tasks.add(tasks)

    async def look(self, task: Task) -> Task:
        return await now_stored(self.store, task)


@pytest.fixture
async def sweeping(monkeypatch: pytest.MonkeyPatch) -> Sweeping:
    return Sweeping(monkeypatch)


def scheduled(after: timedelta, **given: object) -> Task:
    return a_task(state=State.SCHEDULED, run_at=NOON + after, **given)


def leased(**given: object) -> Task:
    """Running since long ago: its lease has run out at NOON."""
    return a_running_task(**given)._replace(lease_until=NOON)


@pytest.mark.mistake(33)
async def test_a_sweeper_that_ends_in_the_middle_leaves_nothing_that_holds_up_another(sweeping: Sweeping) -> None:
    task = scheduled(SECOND)
    await sweeping.add(task)
    sweeping.passed(2 * SECOND)
    gate = sweeping.store.before["apply"] = Gate()
    doomed = asyncio.create_task(sweeping.sweeper.step())
    await gate.reached()
    doomed.cancel()
    await asyncio.wait([doomed])
    del sweeping.store.before["apply"]

    await sweeping.another().step()

    assert (await sweeping.look(task)).state is State.PENDING


async def test_what_is_due_becomes_pending_and_wakes_who_waits_for_it(sweeping: Sweeping) -> None:
    task = scheduled(SECOND, queue="mail")
    await sweeping.add(task)
    with sweeping.bell.listen([queue_topic("mail")]) as ear:
        early = await sweeping.sweeper.step()
        still = await sweeping.look(task)
        sweeping.passed(SECOND)
        late = await sweeping.sweeper.step()

        assert (early, late) == (SECOND, None)
        assert still.state is State.SCHEDULED
        assert (await sweeping.look(task)).state is State.PENDING
        assert await ear.wait(SECOND)


async def test_what_expires_before_it_is_due_fails_then(sweeping: Sweeping) -> None:
    task = scheduled(10 * SECOND, expires_at=NOON + SECOND)
    await sweeping.add(task)
    with sweeping.bell.listen([task_topic(task.id)]) as ear:
        assert await sweeping.sweeper.step() == SECOND
        sweeping.passed(SECOND)
        await sweeping.sweeper.step()

        expired = await sweeping.look(task)
        assert (expired.state, expired.reason) == (State.FAILED, Reason.EXPIRED)
        assert sweeping.told.names == ["task.expired"]
        assert await ear.wait(SECOND)


async def test_what_is_due_before_it_expires_becomes_pending_and_expires_there(sweeping: Sweeping) -> None:
    task = scheduled(SECOND, expires_at=NOON + 2 * SECOND)
    await sweeping.add(task)
    sweeping.passed(SECOND)
    await sweeping.sweeper.step()
    pending = await sweeping.look(task)
    sweeping.passed(SECOND)
    await sweeping.sweeper.step()

    assert pending.state is State.PENDING
    assert (await sweeping.look(task)).reason is Reason.EXPIRED


async def test_a_lease_that_ran_out_is_judged_after_a_lease_of_unbroken_contact(sweeping: Sweeping) -> None:
    task = leased()
    await sweeping.add(task)

    for _ in range(3):
        await sweeping.sweeper.step()
        assert (await sweeping.look(task)).state is State.RUNNING
        sweeping.passed(LEASE / 3)
    await sweeping.sweeper.step()

    lost = await sweeping.look(task)
    assert (lost.state, lost.reason, lost.crashes, lost.failures) == (State.PENDING, Reason.WORKER_LOST, 1, 0)
    assert sweeping.told.names == ["lease.expired"]


@pytest.mark.mistake(31)
async def test_an_outage_breaks_the_contact(sweeping: Sweeping) -> None:
    task = leased()
    await sweeping.in_contact()
    await sweeping.add(task)
    sweeping.store.away = True
    with pytest.raises(StoreUnavailable):
        await sweeping.sweeper.step()
    sweeping.store.away = False

    await sweeping.sweeper.step()

    assert (await sweeping.look(task)).state is State.RUNNING


async def test_time_in_which_the_sweeper_itself_stood_still_breaks_the_contact(sweeping: Sweeping) -> None:
    task = leased()
    await sweeping.in_contact()
    await sweeping.add(task)
    sweeping.passed(LEASE)

    await sweeping.sweeper.step()

    assert (await sweeping.look(task)).state is State.RUNNING


@pytest.mark.mistake(31)
async def test_a_leap_of_the_clock_breaks_the_contact(sweeping: Sweeping) -> None:
    """A machine that slept had all its tasks run twice, and each was charged a crash: no running time had gone by."""
    task = leased()
    await sweeping.in_contact()
    await sweeping.add(task)
    sweeping.clock.advance(LEASE)

    await sweeping.sweeper.step()

    assert (await sweeping.look(task)).state is State.RUNNING


async def test_a_look_that_hung_for_long_breaks_the_contact(sweeping: Sweeping) -> None:
    """What it found was judged at once, although nobody could have renewed while the database hung."""
    task = leased()
    await sweeping.in_contact()
    await sweeping.add(task)

    async def hang() -> None:
        sweeping.passed(LEASE)

    sweeping.store.after["overdue"] = hang
    await sweeping.sweeper.step()

    assert (await sweeping.look(task)).state is State.RUNNING


@pytest.mark.mistake(31)
async def test_two_sweepers_at_once_move_each_task_once(sweeping: Sweeping) -> None:
    tasks = [scheduled(timedelta()) for _ in range(100)]
    await sweeping.add(*tasks)

    async with asyncio.TaskGroup() as group:
        for sweeper in (sweeping.sweeper, sweeping.another()):
            group.create_task(sweeper.step())

    assert {(await sweeping.look(task)).version for task in tasks} == {2}


async def test_more_than_one_batch_is_moved_in_one_pass(sweeping: Sweeping) -> None:
    tasks = [scheduled(timedelta()) for _ in range(MAX_BATCH + 1)]
    await sweeping.add(*tasks)

    await sweeping.sweeper.step()

    assert {task.state for task in sweeping.database.tasks.values()} == {State.PENDING}


async def test_what_this_clock_does_not_find_overdue_is_left_to_a_later_pass(sweeping: Sweeping) -> None:
    class Ahead:
        """The database's clock is ahead of the one that decides."""

        def now(self) -> object:
            return sweeping.clock.now() + SECOND

    task = scheduled(SECOND)
    await sweeping.add(task)
    sweeping.store.store.tasks._clock = Ahead()

    assert await sweeping.sweeper.step() == timedelta()
    assert (await sweeping.look(task)).state is State.SCHEDULED


async def test_what_waits_for_a_handler_is_released_for_its_types_only(sweeping: Sweeping) -> None:
    ours = [scheduled(LEASE, type="ours", reason=Reason.NO_HANDLER) for _ in range(MAX_BATCH + 1)]
    other = scheduled(LEASE, type="other", reason=Reason.NO_HANDLER)
    await sweeping.add(*ours, other)

    assert await sweeping.sweeper.release(["ours"]) == MAX_BATCH + 1
    assert {(await sweeping.look(task)).state for task in ours} == {State.PENDING}
    assert (await sweeping.look(other)).state is State.SCHEDULED


async def test_a_release_that_moves_nothing_is_not_repeated_for_ever(sweeping: Sweeping) -> None:
    task = scheduled(LEASE, type="ours", reason=Reason.NO_HANDLER)
    await sweeping.add(task)

    async def change() -> None:
        current = await sweeping.look(task)
        sweeping.database.tasks[task.id] = current._replace(version=current.version + 1)

    sweeping.store.after["unhandled"] = change

    assert await sweeping.sweeper.release(["ours"]) == 0


async def test_a_delay_of_50_milliseconds_is_not_a_second_late() -> None:
    async def work() -> None:
        """Is claimed when it is due."""

    async with at_work(handlers_of(work=work), poll_interval=timedelta(hours=1)) as stage:
        await stage.ran("work")
        task = await stage.ran("work", delay=timedelta(milliseconds=50))

        assert task.started_at is not None
        late = task.started_at - task.run_at
        assert timedelta() <= late < timedelta(milliseconds=700)
