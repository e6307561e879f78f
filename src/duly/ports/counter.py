"""What counts requests for all API processes together."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


class CounterUnavailable(Exception):
    """It cannot be reached, or refuses: each process counts for itself."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of taking. ``missing``: how long the bucket needs, after that, until it is full."""

    allowed: bool
    missing: timedelta


class Counter(Protocol):
    """Token buckets by name; a bucket of which nobody has heard is full."""

    async def take(self, name: str, tokens: int, *, amount: int, per: timedelta) -> Taken:
        """Take so many of ``amount``, filled evenly within ``per``, if one is there; the rest is owed.

        At the same instant for all that ask. Raises CounterUnavailable.
        """
        ...

    async def owe(self, name: str, tokens: int, *, amount: int, per: timedelta) -> Taken:
        """The same, whether there are any or not: always allowed."""
        ...
