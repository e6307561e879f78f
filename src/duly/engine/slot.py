"""A place in a worker for one attempt."""

import asyncio
from collections.abc import Callable, Coroutine

from duly.domain.task import Task


class Slot:
    """Taken by one attempt, until that ends or is left behind."""

    __slots__ = ("_freed", "abandoned")

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed: Callable[[], None] | None = freed
        self.abandoned = False
        """Nobody waits for the attempt any more: it was cancelled, and ends without settling."""

    @property
    def taken(self) -> bool:
        """Whether it is not free yet."""
        return self._freed is not None

    def free(self) -> None:
        """Let another attempt have it. A second time nothing happens."""
        freed, self._freed = self._freed, None
        if freed is not None:
            freed()


Start = Callable[[Task, float, Slot], Coroutine[None, None, None]]
"""Makes an attempt of a claimed task; the float (monotonic) is when the claim was asked for.

It frees its slot itself only where it goes on after a stopping worker has left it behind: else whoever started it does,
at its end.
"""


async def until_free(start: Start, task: Task, claimed_at: float) -> None:
    """Make an attempt, and wait until its slot is free. Raises what it raises; abandons it when cancelled."""
    freed = asyncio.Event()
    slot = Slot(freed.set)
    attempt = asyncio.create_task(start(task, claimed_at, slot))
    attempt.add_done_callback(lambda _: slot.free())
    try:
        await freed.wait()
    except asyncio.CancelledError:
        slot.abandoned = True
        attempt.cancel()
        raise
    if attempt.done():
        attempt.result()
