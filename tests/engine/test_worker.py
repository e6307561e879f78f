"""A worker process's life: signs of life, recycling, the end."""

import asyncio
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from duly.domain.state import Reason, State
from duly.engine import worker as worker_module
from duly.engine.handlers import Handlers
from duly.engine.threads import Threads
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.outage import Outage
from tests.support.serving import a_type, handlers_of
from tests.support.stage import RealClock, a_stage, a_worker, becomes_true

SOON = timedelta(milliseconds=20)


@pytest.fixture(autouse=True)
def _beats_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "BEAT_EVERY", SOON)


def handlers() -> Handlers:
    async def work() -> None:
        """Does nothing."""

    return handlers_of(work=work)


async def test_a_worker_is_on_the_roster_while_it_works_and_no_longer() -> None:
    async with a_stage(handlers()) as stage:
        async with a_worker(stage, queues=("mail", "media"), slots=3):
            await stage.ran("work", queue="mail")
            await becomes_true(lambda: bool(stage.store.roster._database.workers))
            (record,) = await stage.store.roster.alive(timedelta(minutes=1))

        assert (record.queues, record.types, record.slots) == (("mail", "media", "duly.system"), ("work",), 3)
        assert await stage.store.roster.alive(timedelta(minutes=1)) == []
        assert [state.name for state in await stage.store.queues.states()] == ["duly.system", "mail", "media"]


async def test_a_worker_whose_store_is_away_at_its_end_ends_all_the_same() -> None:
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
    async with a_stage(handlers(), store) as stage, a_worker(stage) as worker:
        await stage.ran("work")
        store.away = True
        assert await worker.stopped() is False
        store.away = False


async def test_a_first_sign_of_life_that_failed_is_given_again_with_all_that_goes_with_it() -> None:
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
    store.lost["declare"] = 1
    async with a_stage(handlers(), store) as stage, a_worker(stage):
        await stage.told.until("store.unavailable")
        await becomes_true(lambda: store.done["unhandled"] > 0)

        assert store.done["beat"] >= 2


@pytest.mark.mistake(20)
async def test_a_worker_asks_to_be_replaced_after_so_many_tasks_and_drains_first() -> None:
    async with a_stage(handlers()) as stage:
        async with a_worker(stage, max_tasks=3, slots=1) as worker:
            ids = [await stage.submit("work") for _ in range(20)]
            replaced = await worker.end()

        tasks = [await stage.now(task_id) for task_id in ids]
        assert replaced is True
        assert {task.state for task in tasks} <= {State.COMPLETED, State.PENDING}
        assert [task.state for task in tasks].count(State.COMPLETED) >= 3


@pytest.mark.mistake(20)
async def test_a_worker_that_has_grown_too_large_asks_to_be_replaced() -> None:
    async with a_stage(handlers()) as stage, a_worker(stage, max_memory=1) as worker:
        await stage.submit("work")

        assert await worker.end() is True


async def test_a_limit_that_a_new_process_exceeds_does_not_keep_tasks_from_running() -> None:
    """Process after process was replaced as soon as it had started, without a pause, and nothing ran."""
    async with a_stage(handlers()) as stage, a_worker(stage, max_memory=1) as worker:
        await asyncio.sleep(5 * SOON.total_seconds())
        assert not worker.stop.is_set()
        task_id = await stage.submit("work")

        assert (await stage.ended(task_id)).state is State.COMPLETED
        assert await worker.end() is True


async def test_a_worker_that_shrinks_while_it_drains_is_replaced_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had decided was looked at anew while it drained: the process ended, and nobody took its place."""
    sizes = iter([10**12] + [0] * 1000)

    class Process:
        def memory_info(self) -> "Process":
            return self

        @property
        def rss(self) -> int:
            return next(sizes)

    monkeypatch.setattr(worker_module.psutil, "Process", Process)
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()

    async with a_stage(handlers_of(work=work)) as stage:
        await stage.submit("work")
        async with a_worker(stage, max_memory=10**9, grace=timedelta(seconds=20)) as worker:
            await becomes_true(worker.stop.is_set)
            await asyncio.sleep(5 * SOON.total_seconds())  # several looks, while it drains
            go.set()

            assert await worker.end() is True


async def test_a_worker_that_is_stopped_before_it_began_ends_at_once() -> None:
    async with a_stage(handlers()) as stage:
        async with a_worker(stage, grace=timedelta(hours=1)) as worker:
            assert await worker.stopped() is False

        assert stage.told.names == ["worker.started", "worker.stopped"]


async def test_what_cannot_be_settled_at_the_end_does_not_hang_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LAST_SETTLES", timedelta(milliseconds=100))
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    async with a_stage(handlers_of(work=work), store, sweeping=False) as stage:
        task_id = await stage.submit("work")
        async with a_worker(stage, grace=SOON) as worker:
            await begun.wait()
            store.away = True
            await worker.stopped()
        store.away = False

        assert (await stage.now(task_id)).state is State.RUNNING  # its lease will tell


async def test_an_interrupted_task_is_run_by_the_next_worker() -> None:
    runs: list[int] = []
    begun = asyncio.Event()

    async def work() -> None:
        runs.append(1)
        begun.set()
        if len(runs) == 1:
            await asyncio.sleep(60)

    async with a_stage(handlers_of(work=work)) as stage:
        task_id = await stage.submit("work")
        async with a_worker(stage, grace=SOON):
            await begun.wait()
        interrupted = await stage.now(task_id)
        async with a_worker(stage):
            task = await stage.ended(task_id)

        assert interrupted.reason is Reason.INTERRUPTED
        assert (task.state, task.attempt, task.failures, task.crashes) == (State.COMPLETED, 2, 0, 0)


_ENDLESS = """
import asyncio, threading, time
from datetime import timedelta
from tests.support.serving import a_type, handlers_of
from tests.support.stage import a_stage, a_worker

begun = threading.Event()

def endless() -> None:
    print("begun", flush=True)
    begun.set()
    time.sleep(600)

async def main() -> None:
    async with a_stage(handlers_of(endless=endless)) as stage:
        await stage.submit("endless")
        async with a_worker(stage, grace=timedelta(seconds=0.1)) as worker:
            await asyncio.to_thread(begun.wait, 60)
            await worker.stopped()
        print("drained", flush=True)

asyncio.run(main())
"""


@pytest.mark.system
async def test_a_thread_that_never_returns_does_not_keep_the_process_from_ending() -> None:
    """The interpreter waited for it at its exit, until the supervisor killed the process."""
    began = time.monotonic()

    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _ENDLESS], capture_output=True, text=True, timeout=100, check=False
    )

    assert (ended.returncode, ended.stdout.split()) == (0, ["begun", "drained"])
    assert time.monotonic() - began < 60


async def test_without_room_for_a_thread_a_task_is_put_back_uncharged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault passed for one of Duly's own: nothing was settled, and the lost lease was charged to the task."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    def block() -> None:
        """Runs in a thread."""

    blocking = Handlers()
    blocking.add(a_type("block", block, executor="thread"))
    async with a_stage(blocking) as stage, a_worker(stage):
        monkeypatch.setattr("duly.engine.threads.Thread", Refused)
        task = await stage.until(await stage.submit("block"), State.SCHEDULED)
        monkeypatch.undo()

        assert (task.reason, task.crashes, task.failures) == (Reason.SNOOZED, 0, 0)
        assert "thread.unstarted" in stage.told.names


async def test_a_thread_is_kept_for_the_next_call() -> None:
    threads = Threads("test")

    first = await threads.run(threading.get_ident)
    second = await threads.run(threading.get_ident)
    threads.close()

    assert first == second


async def test_what_a_call_in_a_thread_raises_is_raised_to_who_waits_for_it() -> None:
    threads = Threads("test")
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()


async def test_who_leaves_a_call_in_a_thread_does_not_disturb_the_thread() -> None:
    threads = Threads("test")
    left = [threads.run(lambda: 1), threads.run(lambda: 1 // 0)]
    for future in left:
        future.cancel()

    assert await threads.run(lambda: 2) == 2
    threads.close()
