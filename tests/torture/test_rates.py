"""How fast tasks are done, and when what was before a fault is back."""

from pathlib import Path

import pytest

from duly.torture.rates import Rates
from duly.torture.records import Pen, Rate


@pytest.fixture
def rates(tmp_path: Path):
    with Pen(tmp_path / "faults.jsonl") as pen:
        yield Rates(tmp_path, pen)


def counted(rates: Rates, *done: int) -> Rates:
    """One sample a second, from the second 0 on."""
    rates.samples = [Rate(t=float(t), done=count) for t, count in enumerate(done)]
    return rates


def test_a_rate_is_back_when_five_seconds_have_as_many_as_before(rates: Rates):
    counted(rates, 0, 0, 0, 0, 10, 20, 30, 40, 50)

    assert rates.back(1.0, 10.0) == 2.0


def test_a_rate_that_never_fell_is_back_at_once(rates: Rates):
    counted(rates, 0, 10, 20, 30, 40, 50, 60)

    assert rates.back(1.0, 10.0) == 0.0


def test_a_rate_is_not_back_before_five_seconds_are_over(rates: Rates):
    counted(rates, 0, 10, 20, 30, 40)

    assert rates.back(0.0, 10.0) is None


def test_nine_tenths_of_the_rate_are_not_the_rate(rates: Rates):
    counted(rates, *range(0, 200, 9))

    assert rates.back(0.0, 10.0) is None
    assert rates.back(0.0, 9.4) == 0.0
