"""A handler that runs in this process, in the event loop or in a thread, and how it is ended from outside."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from duly.engine.cause import Cause
from duly.engine.handlers import TaskType
from duly.engine.running import Running
from duly.engine.threads import Threads

COOPERATION = timedelta(seconds=2)
"""A coroutine that was cancelled has so long to end before its attempt is settled without it."""

Caught = tuple[object, BaseException | None]
"""What a handler returned, or what it raised: a value, so that nothing that it raises can end a thread or a loop."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a handler that is under way."""

    returning: "asyncio.Future[Caught]"
    stop: Callable[[], object]
    """Asks the handler to end: a coroutine is cancelled, a thread must look at ``ctx.cancelled`` itself."""
    patience: timedelta
    """So long it is waited for once it was asked to end."""

    @property
    def caught(self) -> Caught:
        """The handler's end, once it has ended."""
        return (None, asyncio.CancelledError()) if self.returning.cancelled() else self.returning.result()


def in_loop(task_type: TaskType, arguments: Mapping[str, object]) -> Call:
    """Call a coroutine function, in an asyncio task of its own.

    The task is in no group: a handler that swallows its cancellation must not hold up whoever waits for the group.
    """
    handler = asyncio.get_running_loop().create_task(_awaited(task_type, arguments))
    return Call(handler, handler.cancel, COOPERATION)


def in_thread(threads: Threads, task_type: TaskType, arguments: Mapping[str, object]) -> Call:
    """Call a function in a thread, which cannot be stopped."""
    return Call(threads.run(partial(_called, task_type, arguments)), _cannot, timedelta())


class Vigil:
    """Waits for the end of a call, and tells when it was asked to end and its time for that is over."""

    def __init__(self, running: Running, call: Call, *, cancels: bool) -> None:
        self._call = call
        self._cancels = cancels
        self._loop = asyncio.get_running_loop()
        self._over: deque[Cause] = deque()
        self._news = asyncio.Event()
        call.returning.add_done_callback(lambda _: self._news.set())
        running.on_end(self._told)

    async def next(self) -> Cause | None:
        """Why the attempt is over although the handler goes on; None: the handler has ended.

        A cancel request is told where ``cancels`` says so: else an attempt waits for what comes of it.
        """
        try:
            while not self._over and not self._call.returning.done():
                self._news.clear()
                await self._news.wait()
        except asyncio.CancelledError:
            self._call.stop()
            raise
        return None if self._call.returning.done() else self._over.popleft()

    def _told(self, cause: Cause) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nothing to end
            self._loop.call_soon_threadsafe(self._end, cause)

    def _end(self, cause: Cause) -> None:
        if not self._call.returning.done():
            self._call.stop()
            if cause is not Cause.CANCEL:
                self._loop.call_later(self._call.patience.total_seconds(), self._is_over, cause)
            elif self._cancels:
                self._loop.call_later(COOPERATION.total_seconds(), self._is_over, cause)

    def _is_over(self, cause: Cause) -> None:
        self._over.append(cause)
        self._news.set()


async def _awaited(task_type: TaskType, arguments: Mapping[str, object]) -> Caught:
    try:
        return await task_type.function(**arguments), None
    except BaseException as error:  # noqa: BLE001  # the user's handler may raise anything, SystemExit too
        return None, error


def _called(task_type: TaskType, arguments: Mapping[str, object]) -> Caught:
    try:
        return task_type.function(**arguments), None
    except BaseException as error:  # noqa: BLE001  # the user's handler may raise anything, SystemExit too
        return None, error


def _cannot() -> None:
    """A thread cannot be stopped."""
