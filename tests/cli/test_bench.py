"""``duly bench``, in a process of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.service import Desk, Place, a_place

pytestmark = pytest.mark.system
SMALL = ("bench", "--tasks", "100", "--callers", "8", "--samples", "10")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = a_place(tmp_path)
    place.migrate()
    return place


def tasks_in(place: Place) -> list[tuple[str]]:
    with closing(sqlite3.connect(place.folder / "duly.db")) as connection:
        return connection.execute("SELECT queue FROM duly_tasks").fetchall()


def test_bench_measures_and_leaves_no_task_behind(place: Place):
    done = place.run(*SMALL)

    assert done.returncode == 0, done.stderr
    for row in ("submit ", "drain ", "submit to start ", "submit to result "):
        assert row in done.stdout
    assert tasks_in(place) == []


def test_bench_refuses_a_store_with_live_tasks_and_touches_nothing(place: Place):
    Desk(place).submit("text.reverse", {"text": "mine"})

    done = place.run(*SMALL)

    assert done.returncode == 1
    assert "1 in default" in done.stderr
    assert "--in-use" in done.stderr
    assert tasks_in(place) == [("default",)]


@pytest.mark.full
def test_bench_in_use_leaves_the_tasks_of_others_alone(place: Place):
    Desk(place).submit("text.reverse", {"text": "mine"})

    done = place.run(*SMALL, "--in-use")

    assert done.returncode == 0, done.stderr
    assert tasks_in(place) == [("default",)]
