"""The tour's primes, against known values of the prime-counting function (OEIS A006880)."""

import pytest

from tour.primes import SEGMENT, count


def silent(_fraction: float, _note: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize(
    ("below", "expected", "largest"),
    [
        (0, 0, None),
        (2, 0, None),
        (3, 1, 2),
        (10, 4, 7),
        (1_000, 168, 997),
        (1_000_000, 78_498, 999_983),
        (10_000_000, 664_579, 9_999_991),
    ],
)
def test_primes_are_counted_as_the_tables_have_them(below, expected, largest):
    found = count(below, silent)

    assert (found.count, found.largest) == (expected, largest)


def test_a_segment_without_a_prime_does_not_forget_the_largest():
    assert count(SEGMENT + 1, silent).largest == 1_048_573


def test_work_ends_when_the_listener_raises():
    def stop(_fraction: float, _note: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        count(10, stop)
