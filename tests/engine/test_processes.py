"""Handlers in processes of their own."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from multiprocessing import resource_tracker
from typing import Any

import psutil
import pytest

from duly.domain.fact import Interrupted, Returned, Snoozed, WorkerFact
from duly.domain.state import Reason, State
from duly.engine import process
from duly.engine.cause import Cause
from duly.engine.handlers import Handlers
from duly.engine.limits import Limits
from duly.engine.outcome import Judge
from duly.engine.process import Nursery, Processes
from duly.engine.running import Means, Running
from duly.engine.threads import Threads
from tests.engine.processes import TYPES, error_of
from tests.support.builders import a_running_task
from tests.support.serving import a_type
from tests.support.stage import Stage, a_stage, a_worker, at_work


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One for all that leave it as it was: a process takes its time to start."""
    async with at_work(TYPES, slots=4) as stage:
        yield stage


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


async def test_a_process_runs_one_task_after_the_other() -> None:
    async with at_work(TYPES, slots=1) as stage:
        first, second = await stage.ran("act"), await stage.ran("act")

        assert first.state is State.COMPLETED
        assert first.result == second.result
        assert str(os.getpid()) not in (first.result or "")


@pytest.mark.parametrize(
    ("how", "state", "failures", "attempt"),
    [
        ("raise", State.FAILED, 2, 2),
        ("fail", State.FAILED, 1, 1),
        ("exit", State.FAILED, 2, 2),
        ("later", State.COMPLETED, 1, 2),
        ("snooze", State.COMPLETED, 0, 2),
    ],
)
async def test_what_a_handler_raises_there_means_the_same(
    stage: Stage, how: str, state: State, failures: int, attempt: int
) -> None:
    task = await stage.ran("act", {"how": how})

    assert (task.state, task.failures, task.attempt, task.crashes) == (state, failures, attempt, 0)


async def test_a_traceback_from_a_process_begins_in_the_handler(stage: Stage) -> None:
    task = await stage.ran("act", {"how": "raise", "word": "gone"}, max_attempts=1)

    trace = error_of(task)["traceback"]
    assert trace.splitlines()[1].endswith("in act")
    assert error_of(task)["message"] == "'gone'"


async def test_a_process_that_takes_too_long_is_killed_and_its_slot_is_free() -> None:
    async with at_work(TYPES, slots=1) as stage:
        task = await stage.ran("act", {"how": "sleep"}, timeout=timedelta(seconds=2), max_attempts=1)
        after = await stage.ran("act")

        assert (task.state, task.reason) == (State.FAILED, Reason.TIMEOUT)
        assert after.state is State.COMPLETED


async def test_a_handler_in_a_process_that_looks_stops_when_its_cancel_is_asked_for(stage: Stage) -> None:
    task_id = await stage.submit("cooperate")
    await stage.noted(task_id, "begun")
    await stage.tasks.cancel(task_id)
    task = await stage.ended(task_id)

    assert task.state is State.CANCELLED
    assert "stopped" in (task.progress or "")


async def test_a_coroutine_in_a_process_is_cancelled(stage: Stage) -> None:
    task_id = await stage.submit("sleep_async")
    await stage.noted(task_id, "begun")
    await stage.tasks.cancel(task_id)
    task = await stage.ended(task_id)

    assert task.state is State.CANCELLED
    assert "cancelled" in (task.progress or "")


async def test_a_process_that_does_not_stop_when_it_is_asked_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COOPERATION", timedelta(milliseconds=300))
    async with at_work(TYPES) as stage:
        task_id = await stage.submit("sleep_async", {"stubborn": True})
        await stage.noted(task_id, "begun")
        await stage.tasks.cancel(task_id)
        task = await stage.ended(task_id)

        assert task.state is State.CANCELLED


async def test_a_stopping_worker_kills_its_processes_and_puts_their_tasks_back() -> None:
    before = children()
    async with a_stage(TYPES) as stage:
        async with a_worker(stage) as worker:
            task_id = await stage.submit("sleep_async")
            await stage.noted(task_id, "begun")
            await worker.stopped()

        task = await stage.now(task_id)
        assert (task.state, task.reason, task.failures, task.crashes) == (State.PENDING, Reason.INTERRUPTED, 0, 0)
        assert children() - before <= _tracker()


async def test_every_report_of_progress_arrives_whole_and_the_last_one_stays(stage: Stage) -> None:
    task = await stage.ran("steps", {"count": 300})

    assert task.state is State.COMPLETED
    assert task.progress == '{"fraction":1,"note":"last"}'


@pytest.mark.mistake(43)
async def test_signals_to_the_whole_group_leave_a_task_to_its_worker(stage: Stage) -> None:
    """Ctrl-C reached every process of the group: the handlers in them failed, or died and were charged a crash."""
    task = await stage.ran("be_signalled")

    assert task.state is State.COMPLETED
    assert task.result == '"alive; the program it started ended with -15"'


async def test_a_payload_that_does_not_fit_in_the_process_fails_the_task() -> None:
    handlers = Handlers()
    handlers.add(a_type("act", _loose, executor="async"))
    async with a_stage(handlers) as stage, a_worker(stage, handlers=TYPES):
        task = await stage.ran("act", {"anything": 1})

        assert (task.state, task.attempt) == (State.FAILED, 1)
        assert error_of(task)["type"] == "PayloadInvalid"


async def test_a_result_over_the_limit_fails_the_task_there_too() -> None:
    async with at_work(TYPES, limits=Limits(max_result=1024)) as stage:
        task = await stage.ran("act", {"word": "x" * 2000})

        assert (task.state, task.reason) == (State.FAILED, Reason.RESULT_TOO_LARGE)


async def test_a_process_is_replaced_after_so_many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TASKS_PER_CHILD", 1)
    async with at_work(TYPES, slots=1) as stage:
        first, second = await stage.ran("act"), await stage.ran("act")

        assert first.result != second.result


@pytest.mark.mistake(20)
async def test_a_process_that_has_grown_too_large_is_replaced_and_its_task_is_not_disturbed() -> None:
    async with a_stage(TYPES) as stage:
        opened = _processes(stage, max_memory=1024)
        first, second = await _run(stage, opened), await _run(stage, opened)
        opened.close()

        assert isinstance(first, Returned)
        assert isinstance(second, Returned)
        assert first.result != second.result


async def test_without_room_for_a_process_a_task_is_put_back_uncharged() -> None:
    """The fault passed for one of Duly's own: nothing was settled, and three lost leases made the task poison."""

    class Full(Threads):
        def run(self, _: Any) -> Any:
            raise OSError("too many open files")

    async with a_stage(TYPES) as stage:
        opened = _processes(stage, threads=Full("full"))

        fact = await _run(stage, opened)

        assert isinstance(fact, Snoozed)
        assert stage.told.names == ["process.unstarted"]


async def test_tasks_that_come_together_do_not_start_a_process_each() -> None:
    """Each started a process of its own, which kept the machine busy for much longer than the tasks did."""
    async with a_stage(TYPES) as stage:
        opened = _processes(stage, started_at_once=1)
        before = children()
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(_run(stage, opened)) for _ in range(6)]
        started = children() - before - _tracker()
        opened.close()

    assert [type(run.result()) for run in runs] == [Returned] * 6
    assert len(started) < 6


async def test_a_time_out_in_the_wait_for_a_process_is_not_charged_to_a_handler_that_never_began() -> None:
    """It counted as a failure: tasks that had crashed together failed by time-out, and nobody had run them again."""
    async with a_stage(TYPES) as stage:
        opened = _processes(stage, started_at_once=1)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_run(stage, opened))
            second = group.create_task(_run(stage, opened, Cause.TIMEOUT))
        opened.close()

    assert isinstance(first.result(), Returned)
    assert isinstance(second.result(), Snoozed)


async def test_who_is_told_to_end_while_waiting_for_a_process_needs_none() -> None:
    async with a_stage(TYPES) as stage:
        opened = _processes(stage, started_at_once=1)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_run(stage, opened))
            second = group.create_task(_run(stage, opened, Cause.STOP))
        opened.close()

    assert isinstance(first.result(), Returned)
    assert isinstance(second.result(), Interrupted)


def _processes(
    stage: Stage, threads: Threads | None = None, max_memory: int | None = None, started_at_once: int = 2
) -> Processes:
    return Processes(
        Nursery(
            limits=stage.limits,
            joined=None,
            clock=stage.store.clock,
            max_memory=max_memory,
            threads=threads or Threads("test"),
            emit=stage.told,
        ),
        started_at_once,
    )


async def _run(stage: Stage, processes: Processes, cause: Cause | None = None) -> WorkerFact:
    task_type = TYPES.get("act")
    task = a_running_task()._replace(payload="{}")
    means = Means(Limits(), lambda *_: None, joined=None, now=stage.store.clock.now)
    running = Running(task, task_type, means)
    if cause is not None:
        running.end(cause)
    return await processes.run(running, task_type, Judge(task, task_type.retry, 0.5), ours)


async def ours() -> bool:
    return True


async def _loose(anything: int) -> None:
    """Takes what the real handler does not."""


def _tracker() -> set[int]:
    """The resource tracker of multiprocessing outlives every child."""
    pid = resource_tracker._resource_tracker._pid
    return set() if pid is None else {pid}
