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
        left = self._left(name)
        return self._level(left, allowed=left >= 1)

    def take(self, name: str) -> Level:
        """Take one, if there is one."""
        left = self._left(name)
        if left < 1:
            return self._level(left, allowed=False)
        self._full_at[name] = self._now() + (self.amount - left + 1) * self._each
        self._full_at.move_to_end(name)
        if len(self._full_at) > MOST:
            self._full_at.popitem(last=False)
        return self._level(left - 1, allowed=True)

    @property
    def _each(self) -> float:
        return self.per.total_seconds() / self.amount

    def _left(self, name: str) -> float:
        """A bucket is known by when it will be full. Rounded, so that a sum of fractions does not lose a token."""
        missing = max(0.0, self._full_at.get(name, 0.0) - self._now()) / self._each
        return round(self.amount - missing, 6)

    def _level(self, left: float, *, allowed: bool) -> Level:
        whole = math.floor(left)
        wait = 0.0 if whole >= self.amount else (whole + 1 - left) * self._each
        return Level(whole, timedelta(seconds=wait), allowed)
