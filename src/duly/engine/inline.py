"""A coroutine handler, awaited in the attempt's own asyncio task, and how it is ended from outside."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from duly.engine.call import COOPERATION, Caught
from duly.engine.cause import Cause
from duly.engine.copied import end_if_copied, lineage
from duly.engine.handlers import TaskType
from duly.engine.rest import rest_of
from duly.engine.running import Running


class Begun(NamedTuple):
    """A handler that has something to wait for."""

    handler: Generator[Any, Any, object]
    first: object
    """What it waits for."""


class Inline:
    """The rest of a call. A task of its own for each would cost as much as all else that an attempt does here."""

    __slots__ = ("_asked", "_cancels", "_inside", "_loop", "_over", "_parting", "gone", "task")

    def __init__(
        self,
        task: "asyncio.Task[None] | None",
        over: Callable[["Inline", Cause], None],
        *,
        cancels: bool,
        parting: timedelta,
    ) -> None:
        """``task`` is the attempt's own, the current one.

        ``over`` is called when the handler was asked to end, its time for that is up, and it goes on. After a cancel
        request only where ``cancels`` says so: else an attempt waits for what comes of it. When the worker stops its
        time is ``parting``.
        """
        self._over = over
        self._cancels = cancels
        self._parting = parting
        self._loop = asyncio.get_running_loop()
        self._asked = 0
        self._inside = False
        self.task = task
        self.gone: asyncio.Future[None] | None = None
        """The handler's end; made when somebody must wait for it."""

    async def rest(self, running: Running, begun: Begun) -> Caught:
        """What the handler returned or raised: its cancellation too, whoever asked for it."""
        self._inside = True
        running.on_end(self._told)
        try:
            handler, first = begun
            home = lineage()
            return await rest_of(
                partial(_step, home, handler.__next__), partial(_step, home, handler.throw), first
            ), None
        except BaseException as error:  # the user's handler may raise anything, SystemExit too
            if self._loop.is_closed():  # this is being thrown away, and may do nothing more
                raise
            return None, error
        finally:
            self._inside = False
            running.on_end(None)  # else the two would hold each other until a garbage collection
            self._forgive()
            if self.gone is not None:
                self.gone.set_result(None)

    def _told(self, cause: Cause) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nothing to end
            self._loop.call_soon_threadsafe(self._end, cause)

    def _end(self, cause: Cause) -> None:
        if not self._inside or self.task is None:
            return
        self._asked += 1
        self.task.cancel()
        if cause is not Cause.CANCEL or self._cancels:
            patience = self._parting if cause is Cause.STOP else COOPERATION
            self._loop.call_later(patience.total_seconds(), self._is_over, cause)

    def _is_over(self, cause: Cause) -> None:
        if self._inside:
            self.gone = self.gone or self._loop.create_future()
            self._over(self, cause)

    def _forgive(self) -> None:
        """What was asked of the handler must not look as if it were asked of whatever the attempt does next."""
        while self._asked and self.task is not None:
            self._asked -= 1
            self.task.uncancel()


def begun(task_type: TaskType, arguments: Mapping[str, object]) -> Caught | Begun:
    """Call a coroutine handler until it waits for the first time: many never do, and need no more than this."""
    home = lineage()
    try:
        handler = task_type.function(**arguments).__await__()
        try:
            return Begun(handler, next(handler))
        except StopIteration as end:
            return end.value, None
    except BaseException as error:  # noqa: BLE001  # the user's handler may raise anything, SystemExit too
        return None, error
    finally:
        end_if_copied(home)


def _step(home: int, resume: Callable[..., object], *thrown: BaseException) -> object:
    try:
        return resume(*thrown)
    finally:
        end_if_copied(home)
