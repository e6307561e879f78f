"""A place in a worker for one attempt."""

import asyncio
from collections.abc import Callable, Coroutine

from duly.domain.task import ClaimToken, Task, TaskId

Held = tuple[TaskId, ClaimToken]
"""A claim that is worked on here."""


class Slot:
    """Taken by one attempt, until that is settled, refused, or left behind."""

    __slots__ = ("_freed", "_waiter", "abandoned", "broken", "holder", "task")

    def __init__(self, task: Task, freed: "Callable[[Slot], None]") -> None:
        self.task = task
        self._freed: Callable[[Slot], None] | None = freed
        self._waiter: asyncio.Future[None] | None = None
        self.holder: asyncio.Task[None] | None = None
        """Works for the attempt now; None while its settle is on its way."""
        self.abandoned = False
        """Nobody waits for the attempt any more: it was cancelled, and ends without settling."""
        self.broken = False
        """The attempt ended by a fault of ours, and without settling."""

    @property
    def held(self) -> Held:
        """What is worked on in it."""
        return self.task.id, self.task.claim

    @property
    def taken(self) -> bool:
        """Whether it is not free yet."""
        return self._freed is not None

    def free(self) -> None:
        """Let another attempt have it. A second time nothing happens."""
        freed, self._freed = self._freed, None
        if freed is not None:
            freed(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def abandon(self) -> None:
        """Cancel the attempt, and wait for nothing of it: a handler may swallow its cancellation."""
        self.abandoned = True
        if self.holder is not None:
            self.holder.cancel()

    async def until_free(self) -> None:
        """Wait. One at a time."""
        if self.taken:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


Start = Callable[[Task, float, Slot], Coroutine[None, None, None]]
"""Makes an attempt of a claimed task; the float (monotonic) is when the claim was asked for.

It frees its slot once the attempt is settled or refused, which may be after it has returned: settles are written many
at a time. What it raises is a fault of ours; then whoever started it frees the slot.
"""


async def until_free(start: Start, task: Task, claimed_at: float) -> None:
    """Make an attempt, and wait until its slot is free. Raises what it raises; abandons it when cancelled."""
    slot = Slot(task, lambda _: None)
    attempt = slot.holder = asyncio.create_task(_freeing(start(task, claimed_at, slot), slot))
    try:
        await slot.until_free()
    except asyncio.CancelledError:
        slot.abandon()
        raise
    if attempt.done():
        attempt.result()


async def _freeing(attempt: Coroutine[None, None, None], slot: Slot) -> None:
    try:
        await attempt
    except BaseException:
        slot.free()
        raise
