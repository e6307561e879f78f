"""How often to look at a whole index, when what is dead in it cannot be cleared away.

A look for the first entry walks over all that were there before. A vacuum removes them, and on PostgreSQL so does the
first look; but none can while somebody holds an old snapshot, and then each look takes longer than the one before.
"""

import time
from collections.abc import Callable

SLOW = 0.05
"""In seconds, the way to the database not counted: so long does a look take only where it walks over many dead entries,
or where the machine is busy."""

PAUSE = 50
"""Between slow looks so many times what the last one took: together they use a fiftieth of the time."""

LONGEST_PAUSE = 60.0
"""In seconds. What only a look everywhere finds waits no longer."""


class Looks:
    """At once as long as looks are quick, else with a pause. One slow look may be an accident; two are not."""

    def __init__(self, now: Callable[[], float] = time.monotonic, slow: float = SLOW) -> None:
        self._now = now
        self._least = slow
        self._again_at = float("-inf")
        self.slow = False
        """Whether the last look was."""

    @property
    def due(self) -> bool:
        """Whether to look everywhere; else only from where the last look got to."""
        return self._now() >= self._again_at

    def took(self, seconds: float) -> None:
        """A look everywhere has ended, or failed, after so long."""
        before, self.slow = self.slow, seconds >= self._least
        if before and self.slow:
            self._again_at = self._now() + min(PAUSE * seconds, LONGEST_PAUSE)
