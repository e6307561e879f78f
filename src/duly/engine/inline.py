"""A coroutine handler, awaited in the attempt's own asyncio task, and how it is ended from outside."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from duly.engine.attempt import Attempt
from duly.engine.call import COOPERATION, Caught
from duly.engine.cause import Cause


class Inline:
    """One call. A task of its own for each handler would cost as much as everything else that an attempt does here."""

    __slots__ = ("_asked", "_cancels", "_inside", "_loop", "_over", "gone", "task")

    def __init__(
        self, task: "asyncio.Task[None] | None", over: Callable[["Inline", Cause], None], *, cancels: bool
    ) -> None:
        """``task`` is the attempt's own, the current one.

        ``over`` is called when the handler was asked to end, its time for that is up, and it goes on. After a cancel
        request only where ``cancels`` says so: else an attempt waits for what comes of it.
        """
        self._over = over
        self._cancels = cancels
        self._loop = asyncio.get_running_loop()
        self._asked = 0
        self._inside = False
        self.task = task
        self.gone: asyncio.Future[None] | None = None
        """The handler's end; made when somebody must wait for it."""

    async def call(self, attempt: Attempt, arguments: Mapping[str, object]) -> Caught:
        """What the handler returned or raised: its cancellation too, whoever asked for it."""
        self._inside = True
        running = attempt.running
        running.on_end(self._told)
        try:
            return await attempt.type.function(**arguments), None
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
            self._loop.call_later(COOPERATION.total_seconds(), self._is_over, cause)

    def _is_over(self, cause: Cause) -> None:
        if self._inside:
            self.gone = self.gone or self._loop.create_future()
            self._over(self, cause)

    def _forgive(self) -> None:
        """What was asked of the handler must not look as if it were asked of whatever the attempt does next."""
        while self._asked and self.task is not None:
            self._asked -= 1
            self.task.uncancel()
