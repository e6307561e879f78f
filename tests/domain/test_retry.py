"""When a failed attempt is tried again."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.domain.errors import Misconfigured
from duly.domain.retry import LONGEST_WAIT, Fail, Retry, RetryAfter, Snooze, seconds

NOTHING = timedelta()
DURATIONS = st.timedeltas(min_value=NOTHING, max_value=timedelta.max)
POLICIES = st.builds(
    Retry,
    max_attempts=st.integers(1, 10**9),
    initial=DURATIONS,
    factor=st.one_of(st.floats(1, allow_infinity=False), st.integers(1, 10**30)),
    longest=DURATIONS,
    jitter=st.booleans(),
)
FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(POLICIES, st.integers(-5, 10**9), FRACTIONS)
@pytest.mark.mistake(27)
def test_no_wait_is_negative_or_over_its_cap_whatever_the_numbers(policy, failures, fraction):
    wait = policy.wait(failures, fraction)

    assert NOTHING <= wait <= min(policy.longest, LONGEST_WAIT)


@given(POLICIES, st.integers(1, 10**6), FRACTIONS)
def test_the_bound_never_shrinks_with_more_failures(policy, failures, fraction):
    assert policy.wait(failures, fraction) <= policy.wait(failures + 1, fraction)


@pytest.mark.mistake(27)
def test_without_jitter_the_wait_doubles_up_to_its_cap():
    policy = Retry(initial=timedelta(seconds=1), factor=2, longest=timedelta(seconds=10), jitter=False)

    waits = [policy.wait(failures, 0.5).total_seconds() for failures in range(1, 7)]

    assert waits == [1, 2, 4, 8, 10, 10]


@pytest.mark.mistake(27)
def test_with_jitter_the_wait_is_drawn_from_zero_to_the_bound():
    policy = Retry(initial=timedelta(seconds=4), factor=2)

    assert [policy.wait(2, fraction).total_seconds() for fraction in (0.0, 0.25, 0.75)] == [0, 2, 6]


def test_a_back_off_that_starts_at_zero_stays_there():
    """Its factor overflowed after a thousand failures, and the wait jumped from nothing to the longest one."""
    policy = Retry(initial=NOTHING, factor=2.0, jitter=False)

    assert policy.wait(5_000, 0.5) == NOTHING


@pytest.mark.parametrize(
    "given_",
    [
        {"max_attempts": 0},
        {"factor": 0.5},
        {"factor": math.inf},
        {"factor": math.nan},
        {"initial": timedelta(seconds=-1)},
        {"longest": timedelta(seconds=-1)},
    ],
)
def test_a_policy_that_cannot_work_is_refused_when_it_is_made(given_):
    with pytest.raises(Misconfigured):
        Retry(**given_)


def test_the_rule_of_the_most_special_class_decides():
    lookups, keys = Retry(max_attempts=2), Retry(max_attempts=3)
    policy = Retry(rules={LookupError: lookups, KeyError: keys})

    assert policy.for_error(KeyError()) is keys
    assert policy.for_error(IndexError()) is lookups
    assert policy.for_error(ValueError()) is policy


@pytest.mark.parametrize(
    ("delay", "meant"),
    [
        (3, timedelta(seconds=3)),
        (0.5, timedelta(milliseconds=500)),
        (-1, NOTHING),
        (math.inf, LONGEST_WAIT),
        (-math.inf, NOTHING),
        (1e300, LONGEST_WAIT),
        (timedelta(minutes=1), timedelta(minutes=1)),
        (timedelta.min, NOTHING),
        (timedelta.max, LONGEST_WAIT),
    ],
)
def test_a_delay_is_never_negative_and_never_over_the_longest_wait(delay, meant):
    assert seconds(delay) == meant


def test_a_handler_says_itself_when_to_try_again():
    assert RetryAfter(5).delay == timedelta(seconds=5)
    assert str(RetryAfter(5)) == "retry after 0:00:05"
    assert str(RetryAfter(5, "busy")) == "busy"
    assert (Snooze(2).delay, str(Snooze(2))) == (timedelta(seconds=2), "snoozed for 0:00:02")
    assert issubclass(Fail, Exception)
