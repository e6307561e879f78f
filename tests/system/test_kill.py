"""Workers that die, stand still, and wake up again: nothing is lost, nothing is settled twice."""

import signal

import pytest

from duly.domain.state import Reason, State
from tests.support.processes import eventually
from tests.system.scene import IN_THE_GATE_ON_POSTGRESQL, Scene, gone, send

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.mark.mistake(30)
def test_what_a_killed_worker_ran_is_run_again_and_settled_once(scene: Scene):
    gate = scene.gate()
    with scene.worker() as first:
        tasks = [*scene.submit("hold.async", 2, gate=str(gate)), scene.one("hold.process", gate=str(gate))]
        *pids, child = [scene.effects.pid(task) for task in tasks]
        first.process.kill()
        eventually(lambda: gone(child))
        gate.touch()
        with scene.worker() as second:
            ended = scene.final(*tasks)
            code = second.stop()

    assert pids == [first.process.pid] * 2
    assert [(task.state, task.attempt, task.failures) for task in ended] == [(State.COMPLETED, 2, 0)] * 3
    for task in tasks:
        story = scene.story(task)
        assert (story["claimed"], story["lease_lost"], story["completed"]) == (2, 1, 1)
        assert scene.effects.words(task) == ["start", "start", "end"]
    assert code == 0


@pytest.mark.mistake(23)
def test_a_worker_that_slept_past_its_lease_settles_nothing_and_its_handler_is_told(scene: Scene):
    gate = scene.gate()
    with scene.worker() as sleeper:
        task = scene.one("hold.async", gate=str(gate))
        assert scene.effects.pid(task) == sleeper.process.pid
        scene.freeze(sleeper.process.pid)
        # More than one, when the machine was so busy that a lease was lost before.
        slept = scene.client.get(task).attempt
        with scene.worker(DULY_LEASE="60s") as other:
            assert scene.effects.pid(task, attempt=slept + 1) == other.process.pid
            refused = scene.story(task)["write_refused"]
            send(sleeper.process.pid, signal.SIGCONT)
            eventually(lambda: ("told", slept) in [(e.word, e.attempt) for e in scene.effects.of(task)])
            eventually(lambda: scene.story(task)["write_refused"] == refused + 1)
            still = scene.client.get(task)
            gate.touch()
            (ended,) = scene.final(task)

    assert (still.state, still.attempt) == (State.RUNNING, slept + 1)
    assert (ended.state, ended.attempt, ended.result) == (State.COMPLETED, slept + 1, "through")
    assert scene.story(task)["completed"] == 1
    assert sleeper.said("write.refused")
    assert [(e.word, e.attempt) for e in scene.effects.of(task) if e.attempt >= slept] == [
        ("start", slept),
        ("start", slept + 1),
        ("told", slept),
        ("end", slept + 1),
    ]


@pytest.mark.mistake(23)
def test_a_handler_that_ends_under_a_lost_claim_has_its_result_refused(scene: Scene):
    gate = scene.gate()
    with scene.worker() as sleeper:
        task = scene.one("hold.thread", gate=str(gate))
        scene.effects.pid(task)
        scene.freeze(sleeper.process.pid)
        slept = scene.client.get(task).attempt
        with scene.worker(DULY_LEASE="60s"):
            scene.effects.pid(task, attempt=slept + 1)
            refused = scene.story(task)["write_refused"]
            gate.touch()
            (ended,) = scene.final(task)
            send(sleeper.process.pid, signal.SIGCONT)
            eventually(lambda: scene.story(task)["write_refused"] == refused + 1)
            after = scene.client.get(task)

    assert (ended.state, ended.attempt) == (State.COMPLETED, slept + 1)
    assert after == ended
    assert scene.story(task)["completed"] == 1


@pytest.mark.mistake(26)
@IN_THE_GATE_ON_POSTGRESQL
def test_a_handler_that_kills_its_worker_is_found_out_and_its_neighbours_complete(scene: Scene):
    gate = scene.gate()
    neighbours = scene.submit("hold.async", 5, gate=str(gate))
    with scene.worker("--processes", "2", "--slots", "6"):
        for task in neighbours:
            scene.effects.pid(task)
        poison = scene.one("poison")
        scene.wait_until("failed", poison)
        gate.touch()
        ended = scene.final(*neighbours)

    failed, story = scene.client.get(poison), scene.story(poison)
    assert (failed.reason, failed.failures) == (Reason.POISON, 0)
    assert failed.attempt == 3 + story["put_back"]  # where its turn to run alone did not come in time
    assert story["lease_lost"] == 2
    assert scene.effects.words(poison) == ["start"] * 3
    assert [(task.state, task.failures) for task in ended] == [(State.COMPLETED, 0)] * 5
    assert all(scene.effects.words(task).count("end") == 1 for task in neighbours)
