"""What is known of one attempt while it runs in this worker."""

import asyncio
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
    judge: Judge
    claimed_at: float
    slot: Slot
    timer: asyncio.TimerHandle | None = None
    warden: "asyncio.Task[None] | None" = None
    """Sees to an attempt that is over although its handler goes on in the same asyncio task."""
    settled: bool = False
    left: bool = False
    """The worker stops, and leaves the handler behind."""

    @property
    def task(self) -> Task:
        """As it was claimed."""
        return self.running.task
