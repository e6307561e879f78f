"""What is known of one attempt while it runs in this worker."""

import asyncio
import random
from dataclasses import dataclass

from duly.domain.task import Task
from duly.engine.handlers import TaskType
from duly.engine.outcome import Judge
from duly.engine.running import Running
from duly.engine.slot import Slot


@dataclass(slots=True, eq=False)
class Attempt:
    """Kept by the Runner."""

    running: Running
    type: TaskType
    claimed_at: float
    began: float
    slot: Slot
    timed: bool = False
    """Its time-out has begun: it was not over at once."""
    posted: bool = False
    """Its settle is on its way: nobody waits for it here, but its slot and its lease are kept."""
    warden: "asyncio.Task[None] | None" = None
    """Sees to an attempt that is over although its handler goes on in the same asyncio task."""
    settled: bool = False
    left: bool = False
    """The worker stops, and leaves the handler behind."""

    @property
    def task(self) -> Task:
        """As it was claimed."""
        return self.running.task

    @property
    def judge(self) -> Judge:
        """Judges its end, with luck of its own. Made when it is asked for: most attempts simply return."""
        return Judge(self.task, self.type.retry, random.random())  # noqa: S311  # jitter, not a secret
