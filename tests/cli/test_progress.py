"""Bars: what moves on a terminal, and what stands where there is none."""

import json
import os
import pty
import subprocess
import sys
import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest

from duly.client import Submit
from duly.domain.state import State
from tests.support.processes import eventually

pytestmark = pytest.mark.system


class Terminal:
    """What a command writes to a terminal."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.text = ""

    def read(self):
        try:
            while data := os.read(self._descriptor, 65_536):
                self.text += data.decode("utf-8", "replace")
        except OSError:  # the other end is closed
            pass


@contextmanager
def on_a_terminal(*arguments, **env):
    """The command, its standard error a terminal; and that terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **env}
    process = subprocess.Popen(
        [sys.executable, "-m", "duly", *arguments], env=env, stderr=theirs, stdout=subprocess.PIPE, text=True
    )
    os.close(theirs)
    terminal = Terminal(ours)
    reader = threading.Thread(target=terminal.read)
    reader.start()
    try:
        yield process, terminal
    finally:
        process.kill()
        process.communicate()
        reader.join()
        os.close(ours)


@pytest.mark.mistake(47)
def test_a_bar_shows_how_far_a_task_is_and_nothing_in_its_note_moves_the_cursor(service, tmp_path):
    held = tmp_path / "held"
    command = ("submit", "test.half", json.dumps({"file": str(held)}), "--progress", "--json")
    with on_a_terminal(*command, DULY_URL=service) as (process, terminal):
        eventually(lambda: "50%" in terminal.text and "half" in terminal.text)
        held.unlink()
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert json.loads(out)["result"] == "let go"
    assert "100%" in terminal.text
    assert "half\\x1b[2J way" in terminal.text


def test_a_task_that_fails_ends_its_bar_and_the_command_fails(call):
    ended = call("submit", "test.fail", '{"why": "no luck"}', "--progress")

    assert ended.code == 1
    assert "failed" in ended.err
    assert "Fail: no luck" in ended.out


@pytest.fixture
def dead(client):
    """Five tasks that failed, under a tag of their own; and one that did not."""
    tag = f"t{uuid4().hex}"
    many = [Submit(type="test.fail", payload={"why": "no luck"}, tags=[tag]) for _ in range(5)]
    tasks = client.submit_many([*many, Submit(type="text.reverse", payload={"text": "a"}, tags=[tag])])
    for task in tasks:
        client.wait(task.id)
    client.pause("default")
    yield tag
    client.resume("default")


@pytest.mark.mistake(29)
def test_a_dry_run_counts_what_would_be_retried_and_retries_nothing(call, client, dead):
    told = call("retry", "--state", "failed", "--tag", dead, "--dry-run")
    counted = call(
        "retry", "--state", "failed", "--tag", dead, "--error-type", "duly.domain.retry.Fail", "--dry-run", "--json"
    )
    others = call("retry", "--state", "failed", "--tag", dead, "--error-type", "OSError", "--dry-run", "--json")

    assert told.out.splitlines()[1:] == ["test.fail  default  duly.domain.retry.Fail  5", "5 would be retried."]
    assert (json.loads(counted.out), json.loads(others.out)) == ({"found": 5}, {"found": 0})
    assert [task.state for task in client.list(tag=dead)].count(State.FAILED) == 5


@pytest.mark.mistake(29)
def test_dead_letters_are_retried_once_by_filter_with_a_bar(call, client, dead):
    first = call("retry", "--state", "failed", "--type", "test.fail", "--tag", dead, "--json")
    second = call("retry", "--state", "failed", "--type", "test.fail", "--tag", dead)

    assert json.loads(first.out) == {"retried": 5, "skipped": 0}
    assert "100%" in first.err
    assert second.out == "0 retried.\n"
    assert [task.state for task in client.list(tag=dead, type="test.fail")] == [State.PENDING] * 5


def test_a_task_whose_key_lives_elsewhere_is_left_and_told(call, client, dead):
    key = uuid4().hex
    first = client.submit("test.fail", {"why": "x"}, key=key, tags=[f"{dead}k"])
    client.cancel(first.id)
    client.submit("test.fail", {"why": "x"}, key=key)

    ended = call("retry", "--state", "cancelled", "--tag", f"{dead}k")

    assert ended.out == "0 retried.\n1 left as they are, because a live task holds their key.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--type", "x"),
        ("--dry-run",),
        (str(uuid4()), "--state", "failed"),
        (str(uuid4()), "--dry-run"),
        ("--state", "failed", "--payload", "{}"),
        ("--state", "completed"),
    ],
)
def test_it_is_ids_or_a_filter(call, arguments):
    assert call("retry", *arguments).code == 2
