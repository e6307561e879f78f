"""Handlers that stand in the way of their worker's event loop."""

import pytest

from duly.domain.state import State
from tests.support.processes import eventually
from tests.system.scene import PATIENCE, Scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.mark.mistake(16)
def test_a_handler_that_blocks_for_longer_than_the_lease_loses_no_lease(scene: Scene):
    gate = scene.gate()
    with scene.worker():
        neighbour = scene.one("hold.async", gate=str(gate))
        scene.effects.pid(neighbour)
        blocking = scene.one("block", seconds=5)
        (ended,) = scene.final(blocking)
        gate.touch()
        (beside,) = scene.final(neighbour)

    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)
    assert (beside.state, beside.attempt) == (State.COMPLETED, 1)
    assert scene.story(blocking)["lease_lost"] == scene.story(neighbour)["lease_lost"] == 0


@pytest.mark.mistake(16)
def test_a_loop_that_stands_still_too_long_ends_its_process_and_the_task_goes_on_elsewhere(sqlite_scene: Scene):
    scene = sqlite_scene
    with scene.worker("--processes", "2", "--slots", "1", DULY_STALL_LIMIT="6s") as worker:
        task = scene.one("block.once")
        (ended,) = scene.final(task)
        eventually(lambda: worker.said('"exit_code":70'), PATIENCE)

    first, second = scene.effects.pid(task, 1), scene.effects.pid(task, 2)
    assert (ended.state, ended.attempt, ended.result) == (State.COMPLETED, 2, 2)
    assert first != second
    assert worker.said("loop.stalled")
    assert worker.said("loop.dead")
    assert worker.said("time.sleep(3600)")
