"""``duly dev``, and ``make run`` from a fresh clone: what somebody does who wants to see it work."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from duly.client import Client
from duly.domain.state import State
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import Place, Running
from tests.system.scene import PATIENCE, Effects, Scene, a_scenery, children, gone

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


@contextmanager
def dev(place: Place, port: int) -> Iterator[tuple[Running, Scene]]:
    """``duly dev``, once it says where to look."""
    url = f"http://127.0.0.1:{port}"
    with place.duly("dev", "app:duly", "--port", str(port)) as running, Client(url) as client:
        eventually(lambda: running.said("Ctrl-C"), PATIENCE)
        yield running, Scene(place, url, client, Effects(place.folder / "effects"))


def interrupt(running: Running) -> float:
    """Press Ctrl-C. How long it took to end; nothing may be left, and nobody may see a traceback."""
    left = children(running.process.pid)
    asked = time.monotonic()
    code = running.stop(signal.SIGINT)
    took = time.monotonic() - asked
    assert code == 0
    assert all(gone(pid) for pid in left)
    assert "Traceback" not in running.log.read_text()
    return took


def test_dev_restarts_and_is_restarted_without_losing_a_task(tmp_path: Path):
    place, port = a_scenery(tmp_path, f"sqlite:///{tmp_path / 'duly.db'}"), free_port()
    app = tmp_path / "app.py"
    with dev(place, port) as (running, scene):
        first, second = scene.gate(), scene.gate()
        held, longer = scene.one("hold.async", gate=str(first)), scene.one("hold.thread", gate=str(second))
        later = scene.client.submit("quick", {"number": 7}, delay=8).id
        before = {scene.effects.pid(held), scene.effects.pid(longer)}
        app.write_text(app.read_text().replace("return number", "return number + 1000"))
        after = {scene.effects.pid(held, attempt=2), scene.effects.pid(longer, attempt=2)}
        first.touch()
        (ended,) = scene.final(held)
        took = interrupt(running)
    with dev(place, port) as (running, scene):
        second.touch()
        rest = scene.final(longer, later)
        story = scene.story(longer)
        interrupt(running)

    assert before.isdisjoint(after)
    assert took < 25
    assert (ended.state, ended.attempt, ended.failures) == (State.COMPLETED, 2, 0)
    assert [task.result for task in rest] == ["through", 1007]
    assert (story["put_back"], story["lease_lost"], story["completed"]) == (2, 0, 1)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_make_run_serves_from_a_fresh_clone_and_goes_on_where_it_was(tmp_path: Path):
    clone, home, port = tmp_path / "clone", tmp_path / "home", free_port()
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    ours = ("DULY_", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "MAKE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {"HOME": str(home)}
    with make_run(clone, port, env) as client:
        task = client.submit("text.reverse", {"text": "hello"})
        result = client.result(task.id)
    with make_run(clone, port, env) as client:
        again = client.get(task.id)

    assert result == again.result
    assert again.state == State.COMPLETED


@contextmanager
def make_run(clone: Path, port: int, env: dict[str, str]) -> Iterator[Client]:
    """``make run``, once it says where to look; ended by Ctrl-C, within seconds and without a complaint."""
    log = clone.parent / "make.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "run", f"PORT={port}"],
            cwd=clone,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        eventually(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, 1200)
        assert process.poll() is None, log.read_text()
        with Client(f"http://127.0.0.1:{port}") as client:
            yield client
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to make and all below it
        assert process.wait(60) in (0, 2, 130, -signal.SIGINT), log.read_text()
        eventually(lambda: not _anybody_in(process.pid), 60)  # make itself may be gone before Duly is
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _anybody_in(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
