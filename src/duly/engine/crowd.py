"""How many workers do the same rounds, so that they can share them."""

import random
from datetime import timedelta

ROUNDS = 4
"""So many workers each make their rounds as if they were alone; of more, each makes fewer."""

LONGEST = timedelta(seconds=5)
APART = timedelta(milliseconds=1)
"""Of those that wait for the same moment, each comes so much later than another on the average."""


class Crowd:
    """The workers of one database, as the last sign of life found them.

    Whatever the number, rounds are made by somebody as often as four workers alone would make them, or more often.
    """

    def __init__(self) -> None:
        self.size = 1

    def pause(self, interval: timedelta, longest: timedelta = LONGEST) -> timedelta:
        """Between two rounds that one alone would make at this interval. It varies by a fifth."""
        return self.stretched(interval, longest) * random.uniform(0.8, 1.0)  # noqa: S311  # jitter, not a secret

    def stretched(self, interval: timedelta, longest: timedelta = LONGEST) -> timedelta:
        """The interval of one of so many."""
        return min(interval * max(self.size / ROUNDS, 1.0), max(longest, interval))

    def apart(self) -> timedelta:
        """How long to hold back when all wait for the same moment: nothing for one alone."""
        return APART * (self.size - 1) * random.random()  # noqa: S311  # jitter, not a secret
