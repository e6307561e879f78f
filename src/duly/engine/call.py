"""A handler that runs in a thread, and what becomes of its attempt when it does not end as it was asked to."""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial

from duly.engine.cause import Cause
from duly.engine.copied import end_if_copied, lineage
from duly.engine.handlers import TaskType
from duly.engine.running import Running
from duly.engine.threads import Threads

COOPERATION = timedelta(seconds=2)
"""A handler that was asked to end has so long to do so before its attempt is settled without it."""

Caught = tuple[object, BaseException | None]
"""What a handler returned, or what it raised: a value, so that nothing that it raises can end a thread or a loop."""


def in_thread(threads: Threads, task_type: TaskType, arguments: Mapping[str, object]) -> "asyncio.Future[Caught]":
    """Call a function in a thread, which cannot be stopped: it must look at ``ctx.cancelled`` itself."""
    return threads.run(partial(_called, task_type, arguments))


class Vigil:
    """Waits for the end of a call in a thread, and tells when its attempt is over before."""

    def __init__(self, running: Running, call: "asyncio.Future[Caught]", *, cancels: bool, parting: timedelta) -> None:
        """When the worker stops the handler has ``parting`` to see that and to end."""
        self._call = call
        self._cancels = cancels
        self._parting = parting
        self._loop = asyncio.get_running_loop()
        self._over: deque[Cause] = deque()
        self._news = asyncio.Event()
        call.add_done_callback(lambda _: self._news.set())
        running.on_end(self._told)

    async def next(self) -> Cause | None:
        """Why the attempt is over although the handler goes on; None: the handler has ended.

        A cancel request is told where ``cancels`` says so: else an attempt waits for what comes of it.
        """
        while not self._over and not self._call.done():
            self._news.clear()
            await self._news.wait()
        return None if self._call.done() else self._over.popleft()

    def _told(self, cause: Cause) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nothing to end
            self._loop.call_soon_threadsafe(self._end, cause)

    def _end(self, cause: Cause) -> None:
        if self._call.done():
            return
        if cause is Cause.STOP:
            self._loop.call_later(self._parting.total_seconds(), self._is_over, cause)
        elif cause is not Cause.CANCEL:
            self._is_over(cause)
        elif self._cancels:
            self._loop.call_later(COOPERATION.total_seconds(), self._is_over, cause)

    def _is_over(self, cause: Cause) -> None:
        self._over.append(cause)
        self._news.set()


def _called(task_type: TaskType, arguments: Mapping[str, object]) -> Caught:
    home = lineage()
    try:
        return task_type.function(**arguments), None
    except BaseException as error:  # noqa: BLE001  # the user's handler may raise anything, SystemExit too
        return None, error
    finally:
        end_if_copied(home)
