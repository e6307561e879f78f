"""When a worker that is rung looks for tasks: soon, but not so often that it finds few or none (ADR 30)."""

import random
import time

from duly.engine.gather import CROWD

STAGGER = (0.001, 0.002)
"""In seconds. So long at least does a worker let others go first that found nothing when the bell rang the last time:
all that are idle hear it, and one takes the task. A claim that finds nothing costs the one that does its processor."""

APART = (0.008, 0.012)
"""In seconds, between the beginnings of two looks after a crowd, or by a worker that found nothing."""


class Pace:
    """Keeps the looks of one intake apart that a bell calls for. A look for another reason is not its business."""

    def __init__(self) -> None:
        self._began = float("-inf")
        self._crowd = False
        self.outrun = False
        """Whether others had taken everything the last time the bell rang."""

    def looked(self, began: float, found: int, *, rung: bool) -> None:
        """A look that began then, by the monotonic clock, found so many tasks."""
        self._began = began
        self._crowd = found >= CROWD
        if rung:
            self.outrun = not found

    def pause(self) -> float:
        """In seconds, from now, when the bell rings, to the look that it calls for; 0 where nobody need wait."""
        if not self._crowd and not self.outrun:
            return 0.0
        least = random.uniform(*STAGGER) if self.outrun else 0.0  # noqa: S311  # jitter, not a secret
        return max(self._began + random.uniform(*APART) - time.monotonic(), least)  # noqa: S311
