"""How soon a worker looks again when it is rung."""

import time

import pytest

from duly.engine.gather import CROWD
from duly.engine.pace import APART, STAGGER, Pace

LATER = 1000.0
"""In seconds: a look that begins so much later leaves no doubt about how long this test took."""


def after(found: int, *, rung: bool = True) -> float:
    """The pause after a look that found so many."""
    pace = Pace()
    pace.looked(time.monotonic() + LATER, found, rung=rung)
    return pace.pause()


def test_whoever_has_not_looked_yet_looks_at_once() -> None:
    assert Pace().pause() == 0


@pytest.mark.parametrize("found", [1, CROWD - 1])
def test_after_a_few_tasks_there_is_no_pause(found: int) -> None:
    assert after(found) == 0


@pytest.mark.parametrize("found", [CROWD, 0])
def test_after_a_crowd_and_after_nothing_looks_are_kept_apart(found: int) -> None:
    assert LATER - 1 < after(found) <= LATER + APART[1]


def test_a_look_that_nobody_rang_for_and_that_found_nothing_means_nothing() -> None:
    assert after(0, rung=False) == 0


def test_whoever_found_nothing_long_ago_lets_others_go_first() -> None:
    pace = Pace()
    pace.looked(time.monotonic() - LATER, 0, rung=True)

    assert STAGGER[0] <= pace.pause() <= STAGGER[1]


def test_a_crowd_of_long_ago_is_waited_for_no_more() -> None:
    pace = Pace()
    pace.looked(time.monotonic() - LATER, CROWD, rung=True)

    assert pace.pause() == 0
