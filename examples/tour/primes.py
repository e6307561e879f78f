"""Primes counted with a segmented sieve of Eratosthenes: real work for a processor, in little memory."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

SEGMENT = 1 << 20
"""Numbers sieved at once; a segment of bytes fits into a processor's cache."""


@dataclass(frozen=True, slots=True)
class Primes:
    below: int
    count: int
    largest: int | None


def count(below: int, tell: Callable[[float, str], None]) -> Primes:
    """How many primes are smaller than ``below``, and the largest of them."""
    small = _sieve(isqrt(max(below - 1, 0)) + 1)
    total, largest = 0, None
    for low in range(0, below, SEGMENT):
        high = min(low + SEGMENT, below)
        tell(low / below, f"{total} primes below {low}")
        marks = _segment(low, high, small)
        total += marks.count(1)
        last = marks.rfind(1)
        largest = low + last if last >= 0 else largest
    return Primes(below, total, largest)


def _sieve(below: int) -> list[int]:
    marks = bytearray([1]) * below
    marks[:2] = bytes(len(marks[:2]))
    for number in range(2, isqrt(max(below - 1, 0)) + 1):
        if marks[number]:
            marks[number * number :: number] = bytes(len(range(number * number, below, number)))
    return [number for number in range(below) if marks[number]]


def _segment(low: int, high: int, small: list[int]) -> bytearray:
    """One byte per number from ``low`` to ``high``: 1 for a prime."""
    marks = bytearray([1]) * (high - low)
    if low == 0:
        marks[:2] = bytes(len(marks[:2]))
    for prime in small:
        first = max(prime * prime, -(-low // prime) * prime)
        if first < high:
            marks[first - low :: prime] = bytes(len(range(first, high, prime)))
    return marks
