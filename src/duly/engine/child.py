"""The inside of a process that runs one task at a time and may be killed."""

import asyncio
import importlib
import inspect
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from multiprocessing.connection import Connection
from types import FrameType

from duly.domain.errors import Misconfigured
from duly.domain.fact import Raised, WorkerFact
from duly.domain.task import ClaimToken, Task
from duly.engine.cause import Cause
from duly.engine.copied import end_if_copied, lineage
from duly.engine.handlers import TaskType
from duly.engine.limits import Limits
from duly.engine.outcome import Judge, failure_of, returned
from duly.engine.running import Means, Running
from duly.ports.joined import Joined
from duly.ports.telemetry import Tracing

LONGEST_FLUSH = timedelta(seconds=1)
"""For the spans of a handler, after its end was told: the process may be killed as soon as it is idle."""


@dataclass(frozen=True, slots=True)
class Order:
    """Run this task; ``clock_ahead`` is how far the store's clock is ahead of this machine's."""

    task: Task
    module: str
    qualname: str
    clock_ahead: timedelta
    traceparent: str | None = None
    """The span of the attempt."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The attempt with this token is to end. It may come before its order, and after its end."""

    token: ClaimToken
    cause: Cause


@dataclass(frozen=True, slots=True)
class Ready:
    """The process has started and takes orders."""


@dataclass(frozen=True, slots=True)
class Report:
    """The handler's newest progress."""

    progress: str


@dataclass(frozen=True, slots=True)
class End:
    """The handler has ended."""

    fact: WorkerFact
    settled_inside: bool


def serve(
    orders: Connection,
    lifeline: Connection,
    limits: Limits,
    joined: Callable[[], Joined] | None,
    trace: Callable[[], Tracing | None] | None = None,
) -> None:
    """Run what is ordered until the other end is closed. Ends at once, in mid-task, when the parent dies."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_it_to_the_parent)
    child = _Child(orders, limits, joined, trace)
    threading.Thread(target=child.watch, args=(lifeline,), daemon=True).start()
    orders.send(Ready())
    while True:
        try:
            order = orders.recv()
        except (EOFError, OSError):
            return
        child.run(order)


class _Child:
    def __init__(
        self,
        orders: Connection,
        limits: Limits,
        joined: Callable[[], Joined] | None,
        trace: Callable[[], Tracing | None] | None = None,
    ) -> None:
        self._orders = orders
        self._limits = limits
        self._joined = joined
        self._trace = trace
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._ending: Ending | None = None

    def watch(self, lifeline: Connection) -> None:
        """Pass on that the attempt is to end; end the process when the parent is gone."""
        while True:
            try:
                self._ending = lifeline.recv()
            except (EOFError, OSError):
                os._exit(1)
            self._end_if_told()

    def run(self, order: Order) -> None:
        """One attempt, from the payload to the fact, which is sent."""
        try:
            task_type = _locate(order.module, order.qualname)
        except Exception as error:  # noqa: BLE001  # imports the user's module
            self._end(End(Raised(order.task.claim, failure_of(error), None), settled_inside=False))
            return
        judge = Judge(order.task, task_type.retry, random.random())  # noqa: S311  # jitter, not a secret
        joined = None if self._joined is None else self._joined()
        means = Means(self._limits, self._report, joined, lambda: datetime.now(UTC) + order.clock_ahead)
        running = Running(order.task, task_type, means)
        self._running = running
        self._end_if_told()
        tracing = self._tracing
        with nullcontext() if tracing is None else tracing.inside(order.traceparent):
            fact = self._attempt(running, task_type, judge)
        self._end(End(fact, running.settled_inside))
        if tracing is not None:
            tracing.flush(LONGEST_FLUSH)

    @cached_property
    def _tracing(self) -> Tracing | None:
        """Made after the user's module was imported, which may have set up traces in its own way."""
        return None if self._trace is None else self._trace()

    def _end_if_told(self) -> None:
        """Called by both threads, each after its own write: one of them sees what the other wrote."""
        running, ending = self._running, self._ending
        if running is not None and ending is not None and running.task.token == ending.token:
            running.end(ending.cause)

    def _attempt(self, running: Running, task_type: TaskType, judge: Judge) -> WorkerFact:
        home = lineage()
        try:
            arguments = running.arguments()
        except BaseException as error:  # noqa: BLE001  # validators may be the user's own
            return judge.misfit(error)
        try:
            value = _call(task_type, running, arguments)
        except BaseException as error:  # noqa: BLE001  # the user's handler may raise anything, SystemExit too
            return judge.raised(error)
        finally:
            end_if_copied(home)
        return returned(running.task, task_type, value, self._limits)

    def _report(self, running: Running, progress: str) -> None:
        """Only of the task that runs: a thread that an earlier one left behind may still speak."""
        with self._lock:
            if self._running is running:
                self._orders.send(Report(progress))

    def _end(self, end: End) -> None:
        with self._lock:
            self._running = None
            self._orders.send(end)


def _call(task_type: TaskType, running: Running, arguments: dict[str, object]) -> object:
    if not inspect.iscoroutinefunction(task_type.function):
        return task_type.function(**arguments)
    return asyncio.run(_await(task_type, running, arguments))


async def _await(task_type: TaskType, running: Running, arguments: dict[str, object]) -> object:
    """Run the coroutine function; a cancel from outside cancels it, as in the event loop of a worker."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  # a coroutine runs in a task

    def end(_: Cause) -> None:
        with suppress(RuntimeError):  # the loop is closed: the handler has just ended by itself
            loop.call_soon_threadsafe(task.cancel)

    running.on_end(end)
    return await task_type.function(**arguments)


def _locate(module: str, qualname: str) -> TaskType:
    found: object = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    task_type = getattr(found, "task_type", None)
    if not isinstance(task_type, TaskType):
        raise Misconfigured(f"{module}:{qualname} is not a handler: a process of its own must be able to import it.")
    return task_type


def _leave_it_to_the_parent(_number: int, _frame: FrameType | None) -> None:
    """A signal to the whole group is the worker's to deal with: it lets tasks finish or puts them back, uncharged.

    A function, not SIG_IGN, which the programs that a handler starts would inherit.
    """
