"""What clients do over HTTP reaches handlers in another process, and what those say reaches clients."""

import pytest

from duly.domain.state import State
from tests.support.processes import eventually
from tests.system.scene import PATIENCE, Scene, gone

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.mark.parametrize("kind", ["async", "thread", "process"])
def test_progress_and_cancel_reach_across_processes(scene: Scene, kind: str):
    gate = scene.gate()
    with scene.worker() as worker:
        task = scene.one(f"hold.{kind}", gate=str(gate))
        pid = scene.effects.pid(task)
        eventually(lambda: scene.client.get(task).progress is not None, PATIENCE)
        shown = scene.client.get(task)
        asked = scene.client.cancel(task)
        (ended,) = scene.final(task)
        with_child = pid != worker.process.pid

    assert shown.progress is not None
    assert shown.progress.note.endswith("passes")
    assert shown.state == asked.state == State.RUNNING
    assert (ended.state, ended.attempt) == (State.CANCELLED, 1)
    assert scene.effects.words(task) == ["start", "told"]
    assert with_child is (kind == "process")
    if kind == "process":
        eventually(lambda: gone(pid), PATIENCE)


@pytest.mark.mistake(14)
def test_what_is_cancelled_before_it_starts_never_starts(scene: Scene):
    task = scene.one("quick")
    cancelled = scene.client.cancel(task)
    with scene.worker():
        after = scene.one("quick")
        scene.final(after)

    assert cancelled.state == State.CANCELLED
    assert scene.effects.words(task) == []
    assert scene.effects.words(after) == ["start", "end"]
