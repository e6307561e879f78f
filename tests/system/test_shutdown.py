"""Workers that are told to stop, and workers whose parent dies."""

import os
import signal
import time

import pytest

from duly.domain.state import Reason, State
from tests.support.processes import eventually
from tests.support.service import Running
from tests.system.scene import IN_THE_GATE_ON_POSTGRESQL, PATIENCE, Scene, children, gone

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

LEAVE = 3.0
"""Seconds in which a busy machine takes leave of a process that has ended."""


@pytest.mark.mistake(43)
@IN_THE_GATE_ON_POSTGRESQL
def test_a_stopped_worker_finishes_what_it_can_and_puts_back_the_rest_uncharged(scene: Scene):
    soon, never = scene.gate(), scene.gate()
    with scene.worker() as worker:
        finishing = scene.one("hold.async", gate=str(soon))
        staying = [scene.one(f"hold.{kind}", gate=str(never)) for kind in ("async", "thread", "process")]
        for task in (finishing, *staying):
            scene.effects.pid(task)
        worker.process.send_signal(signal.SIGTERM)
        soon.touch()
        asked = time.monotonic()
        code = worker.process.wait(60)
        took = time.monotonic() - asked

    done = scene.client.get(finishing)
    rest = [scene.client.get(task) for task in staying]
    assert code == 0
    assert took < 2 + 40  # the grace, and what it takes to put back and close on a machine that is busy
    assert (done.state, done.result, done.attempt) == (State.COMPLETED, "through", 1)
    assert [(task.state, task.reason, task.failures) for task in rest] == [(State.PENDING, Reason.INTERRUPTED, 0)] * 3
    assert [scene.story(task)["lease_lost"] for task in staying] == [0, 0, 0]
    never.touch()
    with scene.worker():
        again = scene.final(*staying)
    assert [(task.state, task.attempt, task.failures) for task in again] == [(State.COMPLETED, 2, 0)] * 3


def stopped_while_it_runs(scene: Scene, worker: Running, task: str) -> tuple[int, float]:
    """What a worker that is told to stop ends with, and how many seconds later."""
    scene.effects.pid(task)
    worker.process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    return worker.process.wait(60), time.monotonic() - asked


@pytest.mark.mistake(43)
@pytest.mark.parametrize("kind", ["stubborn", "stubborn.async"])
def test_a_worker_whose_handlers_do_not_end_is_gone_when_its_grace_is_over(sqlite_scene: Scene, kind: str):
    """Once, Python waited at the exit for a coroutine that paid no attention to its cancellation, until it ended."""
    scene = sqlite_scene
    with scene.worker(DULY_GRACE="4s") as worker:
        task = scene.one(kind)
        code, took = stopped_while_it_runs(scene, worker, task)
    left = scene.client.get(task)
    scene.client.cancel(task)

    assert (code, worker.said("process.overdue")) == (0, False)
    assert took < 4 + LEAVE
    assert (left.state, left.reason, left.attempt, left.failures) == (State.PENDING, Reason.INTERRUPTED, 1, 0)
    assert scene.story(task)["lease_lost"] == 0


@pytest.mark.mistake(43)
def test_a_worker_that_leaves_a_thread_behind_for_which_python_waits_is_gone_all_the_same(sqlite_scene: Scene):
    """Once, it stayed until the thread had ended."""
    scene = sqlite_scene
    with scene.worker() as worker:
        task = scene.one("stubborn.executor")
        code, took = stopped_while_it_runs(scene, worker, task)
    left = scene.client.get(task)
    scene.client.cancel(task)

    assert (code, worker.said("process.overdue")) == (0, True)
    assert took < 2 + LEAVE
    assert (left.state, left.reason, left.attempt, left.failures) == (State.PENDING, Reason.INTERRUPTED, 1, 0)


def ended_by_another(worker: Running) -> bool:
    """Signal it once more: two that come at once count as one. Whether it has ended."""
    worker.process.send_signal(signal.SIGTERM)
    return worker.process.poll() is not None


@pytest.mark.mistake(43)
def test_a_second_signal_ends_a_worker_at_once_and_its_task_runs_elsewhere(sqlite_scene: Scene):
    scene, gate = sqlite_scene, sqlite_scene.gate()
    with scene.worker(DULY_GRACE="60s") as worker:
        task = scene.one("hold.async", gate=str(gate))
        scene.effects.pid(task)
        worker.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        eventually(lambda: ended_by_another(worker))
        code = worker.process.returncode
        took = time.monotonic() - asked

    assert code == 130
    assert took < 40
    gate.touch()
    with scene.worker():
        (ended,) = scene.final(task)
    assert (ended.state, ended.attempt, ended.failures) == (State.COMPLETED, 2, 0)


@pytest.mark.mistake(43)
def test_a_second_signal_ends_a_worker_whose_event_loop_stands_still(sqlite_scene: Scene):
    """Signals waited for the event loop too: Ctrl-C had no effect until the handler let it move."""
    scene = sqlite_scene
    with scene.worker(DULY_GRACE="60s") as worker:
        task = scene.one("block", seconds=120)
        scene.effects.pid(task)
        worker.process.send_signal(signal.SIGTERM)
        eventually(lambda: ended_by_another(worker), 60)
    scene.client.cancel(task)  # or the worker of the next test stands still in it

    assert worker.process.returncode == 130


@pytest.mark.mistake(43)
def test_workers_that_are_told_by_others_and_by_their_parent_finish_what_they_run(sqlite_scene: Scene):
    """systemd tells every process of a service. What the parent said then counted as the second signal."""
    scene, gate = sqlite_scene, sqlite_scene.gate()
    with scene.worker("--processes", "2", "--slots", "1", DULY_GRACE="60s") as parent:
        tasks = scene.submit("hold.async", 2, gate=str(gate))
        for pid in {scene.effects.pid(task) for task in tasks}:
            os.kill(pid, signal.SIGTERM)
        # Both at once would count as one.
        time.sleep(0.5)
        parent.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        gate.touch()
        code = parent.process.wait(60)
        ended = [scene.client.get(task) for task in tasks]

    assert code == 0
    assert [(task.state, task.attempt) for task in ended] == [(State.COMPLETED, 1)] * 2


@pytest.mark.mistake(43)
def test_workers_whose_parent_is_killed_finish_what_they_run_and_end(sqlite_scene: Scene):
    scene, gate = sqlite_scene, sqlite_scene.gate()
    with scene.worker("--processes", "2", "--slots", "1", DULY_GRACE="60s") as parent:
        tasks = scene.submit("hold.async", 2, gate=str(gate))
        pids = {scene.effects.pid(task) for task in tasks}
        assert pids == set(children(parent.process.pid))
        os.kill(parent.process.pid, signal.SIGKILL)
        eventually(lambda: parent.log.read_text().count("parent.gone") == 2, PATIENCE)
        gate.touch()
        ended = scene.final(*tasks)
        eventually(lambda: all(gone(pid) for pid in pids), PATIENCE)

    assert [(task.state, task.attempt) for task in ended] == [(State.COMPLETED, 1)] * 2
    assert parent.log.read_text().count("worker.stopped") == 2
