"""Many callers, one batch: what gathers while a batch is being written is the next batch.

Where many come and a batch takes long, the next waits a moment more (ADR 29): it is the processor that all wait for
then, and fewer, larger commits cost everybody less of it. Few callers are never waited for.
"""

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Generic, Protocol, TypeVar

from duly.domain.errors import RowInvalid, StoreUnavailable, TooMany
from duly.ports.store import MAX_BATCH, MAX_BATCH_BYTES

T = TypeVar("T")
R = TypeVar("R")
A_contra = TypeVar("A_contra", contravariant=True)

MAX_WAITING = 20_000
"""Beyond so many waiting callers a new one is refused at once: the store does not keep up."""


CROWD = 4
"""After a batch of so many no other lane begins while one is being written: it would have few, the next has more.

So it is with looks for tasks (``pace``): where so many were there at once, more come soon."""

PATIENCE = (0.0005, 0.004)
"""In seconds. A wait for company is no shorter, since a timer is no finer than that, and all of them no longer."""

LONG = 0.05
"""In seconds: a batch that takes longer is waited for no more. Its connection may be dead."""


class Answer(Protocol[A_contra]):
    """Where an item's answer goes: a future, or something that needs nobody to be woken."""

    def done(self) -> bool:
        """Whether it has its answer, or wants none."""
        ...

    def set_result(self, result: A_contra, /) -> None:
        """This is it."""
        ...

    def set_exception(self, exception: Exception, /) -> None:
        """There is none."""
        ...


class Gather(Generic[T, R]):
    """Calls ``flush(items)`` with all that waits, in order, and hands each caller its own answer.

    ``flush`` answers in the order of its items. When it raises RowInvalid the batch is halved until the bad row stands
    alone and only its caller sees the error; anything else that it raises, all callers of the batch see. A caller that
    leaves never cancels a flush. ``run`` must be running; once it has ended, nobody is left waiting.
    """

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]], size: Callable[[T], int]) -> None:
        self._flush = flush
        self._size = size
        self._waiting: deque[tuple[T, Answer[R]]] = deque()
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        """Set from the end of a batch to the beginning of the next."""
        self._written.set()
        self._last = 0
        """How many were in the last batch."""
        self._as_many = asyncio.Event()
        """Set once so many wait again."""
        self._company_until = 0.0
        self._lanes = 0
        self._closed = False

    def __call__(self, item: T) -> "asyncio.Future[R]":
        """To be awaited: the answer for this item, once its batch is written, or what ``flush`` raised.

        Raises TooMany when too many are waiting, StoreUnavailable when the last lane has ended.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.post(item, future)
        return future

    def post(self, item: T, answer: Answer[R]) -> None:
        """The same, for somebody who does not wait. Raises at once what is known at once."""
        if self._closed:
            raise _closing()
        if len(self._waiting) >= MAX_WAITING:
            raise TooMany("Too many requests are waiting for the database.")
        if not self._waiting:
            self._wake.set()
        self._waiting.append((item, answer))
        if len(self._waiting) >= self._last:
            self._as_many.set()

    async def run(self) -> None:
        """Write batches until cancelled. Several may run at once: each is a lane with batches of its own."""
        self._lanes += 1
        try:
            while True:
                await self._wake.wait()
                if self._last < CROWD or not (await self._is_written_soon() or await self._has_company()):
                    await self._next()
        finally:
            self._lanes -= 1
            if not self._lanes:
                self._closed = True
                _fail(self._waiting, _closing())

    async def _is_written_soon(self) -> bool:
        """Wait for the batch that is being written. Whether there was one: others may have gone on since."""
        if self._written.is_set():
            return False
        try:
            async with asyncio.timeout(LONG):
                await self._written.wait()
        except TimeoutError:
            return False
        return True

    async def _has_company(self) -> bool:
        """Wait until as many have come as the last time, for half as long as that batch took. Whether it did."""
        wait = self._company_until - time.monotonic()
        if wait < PATIENCE[0] or len(self._waiting) >= self._last:
            return False
        self._as_many.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._as_many.wait()
        return True

    async def _next(self) -> None:
        batch = self._take()
        if not batch:
            self._wake.clear()
            return
        self._last = len(batch)
        self._written.clear()
        began = time.monotonic()
        try:
            await self._write(batch)
        except BaseException:
            _fail(batch, _closing())  # cancelled in mid-flush: nobody may wait for ever
            raise
        finally:
            ended = time.monotonic()
            self._company_until = ended + min((ended - began) / 2, PATIENCE[1])
            self._written.set()

    def _take(self) -> list[tuple[T, Answer[R]]]:
        """As many as a batch may have and as fit into one, the first however large it is."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        sizes = accumulate(map(self._size, [item for item, _ in batch]))
        fitting = max(bisect_right(list(sizes), MAX_BATCH_BYTES), 1)
        self._waiting.extendleft(reversed(batch[fitting:]))
        return batch[:fitting]

    async def _write(self, batch: Sequence[tuple[T, Answer[R]]]) -> None:
        try:
            found = await self._flush([item for item, _ in batch])
            for (_, answer), result in zip(batch, found, strict=True):
                if not answer.done():
                    answer.set_result(result)
        except RowInvalid as error:
            await self._halve(batch, error)
        except Exception as error:  # noqa: BLE001  # the top of a loop: a fault is the callers' to see, not the lane's end
            _fail(batch, error)

    async def _halve(self, batch: Sequence[tuple[T, Answer[R]]], error: RowInvalid) -> None:
        if len(batch) == 1:
            _fail(batch, error)
            return
        middle = len(batch) // 2
        await self._write(batch[:middle])
        await self._write(batch[middle:])


def _fail(waiting: Iterable[tuple[T, Answer[R]]], error: Exception) -> None:
    for _, answer in waiting:
        if not answer.done():
            answer.set_exception(error)


def _closing() -> StoreUnavailable:
    return StoreUnavailable("Duly is closing: what becomes of the request is not known.")
