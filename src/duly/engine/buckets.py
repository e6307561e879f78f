"""Token buckets: so much in a time, each name for itself, in this process."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

MOST = 10_000
"""Names that are remembered; of more, those that have not asked for longest begin anew."""


@dataclass(frozen=True, slots=True)
class Level:
    """What is left in a bucket. ``refill``: until there is one more."""

    left: int
    refill: timedelta
    allowed: bool = True


class Buckets:
    """One bucket a name, of ``amount``, filled evenly within ``per``. ``now`` counts seconds and never goes back."""

    def __init__(self, amount: int, per: timedelta, now: Callable[[], float]) -> None:
        self.amount = amount
        self.per = per
        self._now = now
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def look(self, name: str) -> Level:
        """What is left, without taking."""
        missing = self._missing(name)
        return self.level(missing, allowed=self._left(missing) >= 1)

    def take(self, name: str) -> Level:
        """Take one, if there is one."""
        missing = self._missing(name)
        if self._left(missing) < 1:
            return self.level(missing, allowed=False)
        return self.owe(name, 1)

    def owe(self, name: str, tokens: int) -> Level:
        """Take so many, whether they are there or not: what is not there is owed, and fills up first."""
        missing = self._missing(name) + tokens * self._each
        self._full_at[name] = self._now() + missing
        self._full_at.move_to_end(name)
        if len(self._full_at) > MOST:
            self._full_at.popitem(last=False)
        return self.level(missing, allowed=True)

    def level(self, missing: float, *, allowed: bool) -> Level:
        """What is left in a bucket that needs so many seconds until it is full."""
        left = self._left(missing)
        whole = max(0, math.floor(left))
        wait = 0.0 if whole >= self.amount else (whole + 1 - left) * self._each
        return Level(whole, timedelta(seconds=wait), allowed)

    @property
    def _each(self) -> float:
        return self.per.total_seconds() / self.amount

    def _missing(self, name: str) -> float:
        """A bucket is known by when it will be full."""
        return max(0.0, self._full_at.get(name, 0.0) - self._now())

    def _left(self, missing: float) -> float:
        """Rounded, so that a sum of fractions does not lose a token."""
        return round(self.amount - missing / self._each, 6)
