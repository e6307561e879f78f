"""Percentiles of what was counted in buckets."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.domain.stats import BOUNDS_MS, percentile

BUCKETS = len(BOUNDS_MS) + 1


def _counts(**by_bound):
    bounds = [f"ms{bound}" for bound in BOUNDS_MS] + ["longer"]
    return tuple(by_bound.get(bound, 0) for bound in bounds)


def test_nothing_counted_has_no_percentile():
    assert percentile(_counts(), 0.5) is None


@pytest.mark.parametrize(("share", "milliseconds"), [(0.5, 1), (0.51, 10), (0.9, 10), (0.99, 200), (1.0, 200)])
def test_a_percentile_is_the_bound_of_the_bucket_that_reaches_it(share, milliseconds):
    assert percentile(_counts(ms1=50, ms10=40, ms200=10), share) == timedelta(milliseconds=milliseconds)


def test_what_is_longer_than_every_bucket_is_told_as_the_longest():
    assert percentile(_counts(longer=1), 0.5) == timedelta(minutes=30)


def test_a_share_over_one_is_the_longest():
    assert percentile(_counts(ms1=1), 1.5) == timedelta(minutes=30)


@given(st.lists(st.integers(0, 10**9), min_size=BUCKETS, max_size=BUCKETS), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_share_is_never_sooner(counts, one, other):
    low, high = sorted((one, other))

    if sum(counts):
        assert percentile(tuple(counts), low) <= percentile(tuple(counts), high)
