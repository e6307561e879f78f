"""The supervisor, with real processes: nothing is left behind, and what dies comes back."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import eventually, running

PARENT = str(Path(__file__).parent / "programs" / "parent.py")
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


class Notes:
    """What a child wrote about itself."""

    def __init__(self, folder: Path, manner: str) -> None:
        self._file = folder / manner

    def words(self) -> list[str]:
        return [line.split()[0] for line in self._lines()]

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self._lines() if line.startswith("started")]

    def _lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.mistake(43)
def test_a_signal_lets_every_child_drain_and_the_parent_ends_well(tmp_path):
    good, other = Notes(tmp_path, "good"), Notes(tmp_path, "unready")
    with running(PARENT, str(tmp_path), "good", "unready", cwd=tmp_path) as parent:
        eventually(lambda: good.words() and other.words())
        parent.send_signal(signal.SIGTERM)

        assert parent.wait(60) == 0

    assert good.words() == ["started", "drained"]
    assert other.words() == ["started", "drained"]


@pytest.mark.mistake(43)
def test_a_second_signal_ends_a_child_that_does_not_want_to(tmp_path):
    stubborn = Notes(tmp_path, "stubborn")
    with running(PARENT, str(tmp_path), "stubborn", cwd=tmp_path) as parent:
        eventually(stubborn.words)
        parent.send_signal(signal.SIGINT)
        eventually(lambda: "stubborn" in stubborn.words())
        asked = time.monotonic()
        parent.send_signal(signal.SIGINT)

        assert parent.wait(60) == 130

    assert time.monotonic() - asked < 20
    assert gone(stubborn.pids()[0])


@pytest.mark.mistake(43)
def test_children_drain_when_their_parent_is_killed(tmp_path):
    good = Notes(tmp_path, "good")
    with running(PARENT, str(tmp_path), "good", cwd=tmp_path) as parent:
        eventually(good.words)
        parent.kill()

        eventually(lambda: gone(good.pids()[0]))

    assert good.words() == ["started", "orphaned", "drained"]


def test_a_child_that_dies_is_replaced_after_a_pause(tmp_path):
    crashing = Notes(tmp_path, "crash-once")
    with running(PARENT, str(tmp_path), "crash-once", cwd=tmp_path) as parent:
        eventually(lambda: len(crashing.pids()) == 2)
        parent.terminate()
        output, _ = parent.communicate(timeout=60)

    assert parent.returncode == 0
    assert "child.died" in output
    assert "'exit_code': -9" in output


def test_a_child_that_is_killed_before_its_first_sign_of_life_is_replaced_too(tmp_path):
    """A task that kills its worker could take the first one at once, and ended the supervisor with it."""
    crashing, good = Notes(tmp_path, "crash-early-once"), Notes(tmp_path, "good")
    with running(PARENT, str(tmp_path), "crash-early-once", "good", cwd=tmp_path) as parent:
        eventually(lambda: len(crashing.pids()) == 2 and good.words())
        parent.terminate()

        assert parent.wait(60) == 0

    assert crashing.words() == ["started", "started", "drained"]
    assert good.words() == ["started", "drained"]


@pytest.mark.mistake(20)
def test_a_child_that_wants_to_be_recycled_is_replaced_at_once(tmp_path):
    worn = Notes(tmp_path, "recycle-once")
    with running(PARENT, str(tmp_path), "recycle-once", cwd=tmp_path) as parent:
        eventually(lambda: len(worn.pids()) == 2)
        parent.terminate()
        output, _ = parent.communicate(timeout=60)

    assert "child.recycled" in output
    assert "child.died" not in output


def test_a_child_that_cannot_start_ends_everything_with_its_own_code(tmp_path):
    hopeless, good = Notes(tmp_path, "hopeless"), Notes(tmp_path, "good")
    with running(PARENT, str(tmp_path), "good", "hopeless", cwd=tmp_path) as parent:
        assert parent.wait(60) == 2

    assert len(hopeless.pids()) == 1
    assert good.words() == ["started", "drained"]
