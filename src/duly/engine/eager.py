"""Attempts that begin at once, one after another: only one that waits has an asyncio task to itself."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

from duly.engine.rest import rest_of
from duly.engine.slot import Slot

Attempt = Coroutine[Any, Any, None]


class Eager:
    """Runs attempts, each in a context of its own, in the order in which they were given.

    Many never wait, and one asyncio task runs all of those: to make one for each takes longer than their handlers do.
    Where an attempt waits, that task is its own from then on, and another goes on with those behind it; so it does
    where somebody has remembered that task (a session or a scope for each task, say) or has cancelled it: what one
    handler leaves there no other finds. Of an attempt that raises ``broke`` is told, and its slot is free when it is
    cancelled.
    """

    def __init__(self, broke: Callable[[Slot, Exception], None]) -> None:
        self._broke = broke
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Attempt, Slot]] = deque()
        self._served = False

    def start(self, attempt: Attempt, slot: Slot) -> None:
        """Run it soon; the slot's holder is then the asyncio task that does."""
        self._waiting.append((attempt, slot))
        if not self._served:
            self._serve_in_another()

    def close(self) -> None:
        """Those that have not begun do not begin."""
        while self._waiting:
            attempt, _ = self._waiting.popleft()
            attempt.close()

    def _serve_in_another(self) -> None:
        self._served = True
        self._loop.create_task(self._serve())  # the loop keeps it until it runs, then its slot does

    async def _serve(self) -> None:
        try:
            waiting = self._begin()
        finally:
            self._leave()
        if waiting is None:
            return
        slot, rest = waiting
        try:
            await rest
        except Exception as error:  # noqa: BLE001  # whatever it is, it ends this attempt and no other
            self._broke(slot, error)
        except asyncio.CancelledError:
            slot.free()
            raise

    def _begin(self) -> tuple[Slot, Awaitable[None]] | None:
        """Begin attempts up to one that waits: that one, and the rest of it."""
        here = asyncio.current_task()
        assert here is not None  # noqa: S101  # it runs in one
        unknown = _marks(here)
        while self._waiting and _marks(here) == unknown:
            attempt, slot = self._waiting.popleft()
            slot.holder, context = here, copy_context()
            try:
                waited = context.run(attempt.send, None)
            except StopIteration:
                slot.holder = None
            except Exception as error:  # noqa: BLE001  # as above
                self._broke(slot, error)
            except asyncio.CancelledError:
                slot.free()
            else:
                return slot, _rest(attempt, context, waited)
        return None

    def _leave(self) -> None:
        """This task serves no longer."""
        self._served = False
        if self._waiting:
            self._serve_in_another()


def _marks(task: "asyncio.Task[None]") -> int:
    """Changes when it is cancelled, or kept as or under a key."""
    return getrefcount(task) + getweakrefcount(task) + task.cancelling()


def _rest(attempt: Attempt, context: Context, waited: object) -> Awaitable[None]:
    """In the attempt's own context."""
    go_on = partial(context.run, attempt.send, None)
    return rest_of(go_on, lambda error: context.run(attempt.throw, error), waited)
