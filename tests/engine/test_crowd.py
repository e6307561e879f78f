"""Rounds that workers share."""

from datetime import timedelta

import pytest

from duly.engine.crowd import Crowd

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("size", "most"), [(1, 1.0), (4, 1.0), (8, 2.0), (20, 5.0), (100, 5.0)])
def test_of_many_workers_each_makes_fewer_rounds_and_all_together_no_fewer_than_four(size: int, most: float) -> None:
    crowd = Crowd()
    crowd.size = size

    pauses = [crowd.pause(SECOND).total_seconds() for _ in range(100)]

    assert max(pauses) <= most
    assert min(pauses) >= most * 0.8


@pytest.mark.parametrize(("size", "seconds"), [(1, 1.0), (4, 1.0), (8, 2.0), (100, 5.0)])
def test_alone_or_with_few_a_worker_looks_as_often_as_it_was_told(size: int, seconds: float) -> None:
    crowd = Crowd()
    crowd.size = size

    assert crowd.stretched(SECOND).total_seconds() == seconds


def test_an_interval_longer_than_the_longest_pause_is_kept() -> None:
    crowd = Crowd()
    crowd.size = 100

    assert 8 * SECOND <= crowd.pause(10 * SECOND) <= 10 * SECOND


def test_one_alone_holds_back_for_nothing_and_many_come_one_after_the_other() -> None:
    crowd = Crowd()
    assert crowd.apart() == timedelta()

    crowd.size = 100

    apart = sorted(crowd.apart() for _ in range(100))
    assert timedelta(milliseconds=1) < apart[50] < timedelta(milliseconds=99)
    assert apart[-1] <= timedelta(milliseconds=99)
