"""Processes that die under their task, and the last try of one."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psutil
import pytest

from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.engine.handlers import Handlers
from duly.engine.submission import Submission
from tests.engine import work
from tests.engine.processes import TYPES, error_of
from tests.support.processes import eventually
from tests.support.serving import a_type
from tests.support.stage import Stage, at_work


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One for all that leave it as it was: a process takes its time to start."""
    async with at_work(TYPES, slots=4) as stage:
        yield stage


async def crashed_before(stage: Stage, type_name: str, payload: dict[str, Any], times: int = 2) -> Task:
    """The end of a task that has crashed so often already."""
    task = stage.tasks.make(Submission(type=type_name, payload=payload))
    await stage.store.tasks.add([task._replace(crashes=times)])
    stage.tasks.announce(task)
    return await stage.ended(task.id)


@pytest.mark.mistake(26)
async def test_a_task_whose_process_dies_three_times_is_poison(stage: Stage) -> None:
    task = await stage.ran("act", {"how": "die"})

    assert (task.state, task.reason, task.crashes, task.failures) == (State.FAILED, Reason.POISON, 3, 0)
    assert error_of(task)["type"] == "ProcessDied"
    assert "exit code 7" in error_of(task)["message"]
    assert await stage.kinds(task.id) == ["lease_lost", "lease_lost", "failed"]


@pytest.mark.parametrize(("how", "seconds", "error_type"), [("die", 60, "ProcessDied"), ("sleep", 2, "Timeout")])
async def test_a_program_that_a_handler_left_behind_does_not_hide_the_end_of_its_process(
    stage: Stage, how: str, seconds: int, error_type: str
) -> None:
    """It had the pipe open on which the worker listened: the slot was taken until that program ended."""
    limits = {"timeout": timedelta(seconds=seconds), "max_attempts": 1}
    task_id = await stage.submit("leave_a_program", {"how": how}, **limits)

    async with asyncio.timeout(30):
        task = await stage.ended(task_id)

    assert error_of(task)["type"] == error_type


async def test_an_idle_process_that_has_died_is_not_given_a_task() -> None:
    async with at_work(TYPES, slots=1) as stage:
        first = await stage.ran("act")
        pid = int((first.result or "").strip('"').split()[-1])
        await asyncio.to_thread(_kill, psutil.Process(pid))
        task = await stage.ran("act")

        assert (task.state, task.crashes) == (State.COMPLETED, 0)


async def test_the_last_try_of_a_task_runs_in_a_process_that_no_other_has_used() -> None:
    """It was given an idle one: what another task had left running there could kill it, and call it poison."""
    async with at_work(TYPES, slots=2) as stage:
        await stage.ran("leave_a_bomb")
        task = await crashed_before(stage, "linger", {"seconds": 0.8})

        assert (task.state, task.crashes) == (State.COMPLETED, 2)


async def test_the_processes_of_last_tries_do_not_pile_up() -> None:
    """Each had a new one, and each was kept for the next task: a worker whose tasks crashed together kept dozens."""
    async with at_work(TYPES, slots=2) as stage:
        before = _handlers_processes()

        for _ in range(3):
            await crashed_before(stage, "act", {})

        await asyncio.to_thread(eventually, lambda: not _handlers_processes() - before, 30)


async def test_a_task_of_the_event_loop_runs_its_last_try_in_a_process(stage: Stage) -> None:
    task = await crashed_before(stage, "whereabouts", {})

    assert task.state is State.COMPLETED
    assert task.result != str(os.getpid())


async def test_a_handler_that_its_module_does_not_know_runs_its_last_try_where_it_always_runs() -> None:
    """It failed there at once: a process of its own looked for it by its name and found the bare function."""
    handlers = Handlers()
    handlers.add(a_type("bare", work.bare))
    async with at_work(handlers) as stage:
        task = await crashed_before(stage, "bare", {"word": "found"})

        assert (task.state, task.result) == (State.COMPLETED, '"found"')


async def test_a_handler_that_a_process_cannot_find_fails_and_says_why() -> None:
    handlers = Handlers()
    handlers.add(a_type("bare", work.bare, executor="process"))
    async with at_work(handlers) as stage:
        task = await stage.ran("bare", {"word": "lost"})

        assert (task.state, task.attempt) == (State.FAILED, 1)
        assert "must be able to import it" in error_of(task)["message"]


def _kill(one: psutil.Process) -> None:
    one.kill()
    eventually(lambda: _has_ended(one.pid))


def _has_ended(pid: int) -> bool:
    """With all its threads: the first of them may be a zombie before the others are gone."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _handlers_processes() -> set[int]:
    """Those that run handlers for us: not the one that multiprocessing has for itself."""
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return {child.pid for child in running if "spawn_main" in " ".join(child.cmdline())}
