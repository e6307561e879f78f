"""Threads for code that blocks: kept for the next call, and never in the way of the process's end."""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeVar

R = TypeVar("R")

Tell = Callable[[], object]
"""Hands the outcome of a call to the event loop that waits for it."""


class NoRoom(OSError):
    """This machine has no room for another thread: the call was not made."""


class Threads:
    """As many threads as calls run at once; an idle one takes the next call.

    They are daemons: a handler that never returns does not keep the process from ending, as it would in a
    ThreadPoolExecutor, whose threads the interpreter joins at its exit.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._calls: SimpleQueue[Callable[[], Tell] | None] = SimpleQueue()
        self._count = 0
        self._idle = 0

    def run(self, call: Callable[[], R]) -> "asyncio.Future[R]":
        """Call it in a thread, with the caller's context variables. The future raises what it raises.

        Raises NoRoom.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> Tell:
            end = _ending(future, partial(context.run, call))
            return partial(loop.call_soon_threadsafe, end)

        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._start()
        self._calls.put(work)
        return future

    def _start(self) -> None:
        try:
            Thread(target=self._serve, name=f"{self._name}-{self._count + 1}", daemon=True).start()
        except RuntimeError as error:
            raise NoRoom(str(error)) from error
        self._count += 1

    def close(self) -> None:
        """Let the threads end, each once it is idle; those that never are stay behind."""
        for _ in range(self._count):
            self._calls.put(None)

    def _serve(self) -> None:
        while self._one():
            continue

    def _one(self) -> bool:
        work = self._calls.get()
        if work is None:
            return False
        tell = work()
        with self._lock:
            self._idle += 1
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            tell()
        return True


def _ending(future: "asyncio.Future[R]", call: Callable[[], R]) -> Callable[[], None]:
    try:
        return partial(_answer, future, call())
    except Exception as error:  # noqa: BLE001  # whatever it raises is its caller's to see
        return partial(_fail, future, error)


def _answer(future: "asyncio.Future[R]", value: R) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[R]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
