"""Processes that run one task at a time and can be killed."""

import asyncio
import multiprocessing
import os
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.context import SpawnProcess

import psutil

from duly.domain.fact import Interrupted, ProcessDied, Snoozed, Stopped, WorkerFact
from duly.domain.failure import Failure
from duly.domain.task import Task
from duly.engine import child
from duly.engine.cause import Cause
from duly.engine.handlers import TaskType
from duly.engine.limits import Limits
from duly.engine.outcome import Judge
from duly.engine.running import Running
from duly.engine.threads import Threads
from duly.ports.clock import Clock
from duly.ports.joined import Joined
from duly.ports.telemetry import Emit, Tracing

TASKS_PER_CHILD = 500
COOPERATION = timedelta(seconds=5)
"""After a cancel a handler in a process has so long to end by itself before it is killed."""
NO_PROCESS = timedelta(seconds=5)
"""So long a task waits, uncharged, when this machine has no room for another process."""
LONGEST_TURN = timedelta(seconds=5)
"""So long a task that is to run alone waits for its turn, holding a claim; then it is put back, uncharged, and comes
again. Ten claims that are lost with their worker are called poison, and its handler need not have begun for that."""
LOOK = 0.5
"""In seconds. A process that says nothing may be dead."""
STARTED_AT_ONCE = os.cpu_count() or 1
"""A start keeps a processor busy for a second or more. Twenty at once would each take twenty times as long, and a task
that waits for its turn often finds that an earlier process is idle by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nursery:
    """What a process is made with."""

    limits: Limits
    joined: Callable[[], Joined] | None
    clock: Clock
    max_memory: int | None
    threads: Threads
    emit: Emit
    tracing: Tracing | None = None
    trace_child: Callable[[], Tracing | None] | None = None
    """Sets up traces in the process; must be picklable."""


class Processes:
    """Idle processes are kept for the next task; one that was killed, is used up or too large is not."""

    def __init__(
        self, nursery: Nursery, started_at_once: int = STARTED_AT_ONCE, longest_turn: timedelta = LONGEST_TURN
    ) -> None:
        self._nursery = nursery
        self._longest_turn = longest_turn.total_seconds()
        self._starting = asyncio.Semaphore(started_at_once)
        self._idle: deque[_Child] = deque()
        self._closed = False

    async def run(
        self, running: Running, task_type: TaskType, judge: Judge, still_ours: Callable[[], Awaitable[bool]]
    ) -> WorkerFact:
        """Run the attempt to its end, or end it as ``running`` is told to.

        A process may be long in coming: the handler begins only if the claim is ``still_ours`` then and nobody has told
        it to end. One that waited to its time-out is put back uncharged, one that is to run alone much sooner. That one
        gets a new process: what another task left behind in an old one must not kill it.
        """
        try:
            process = await self._process(running)
        except OSError as error:
            self._nursery.emit("process.unstarted", {"task": str(running.task.id), "error": repr(error)})
            return Snoozed(running.task.claim, NO_PROCESS)
        if process is None:
            return _unbegun(running, judge)
        try:
            if running.cause is None and not await still_ours():
                running.end(Cause.LOST)
            if running.cause is not None:
                return _unbegun(running, judge)
            return await self._attempt(process, running, task_type, judge)
        finally:
            self._keep_or_kill(process, running.task)

    def close(self) -> None:
        """End the idle processes; those that run a task end with it."""
        self._closed = True
        while self._idle:
            self._idle.pop().kill()

    async def _process(self, running: Running) -> "_Child | None":
        """None: the attempt was told to end while it waited for its turn, or that did not come, or its worker stops."""
        kept = self._kept(running.task)
        if kept is not None:
            return kept
        try:
            async with asyncio.timeout(self._longest_turn if running.task.alone else None) as patience:
                running.on_end(partial(_told, asyncio.get_running_loop(), patience))
                async with self._starting:
                    if running.cause is not None:
                        return None
                    patience.reschedule(None)
                    return self._kept(running.task) or await self._nursery.threads.run(lambda: _started(self._nursery))
        except TimeoutError:
            return None
        finally:
            running.on_end(None)

    def _kept(self, task: Task) -> "_Child | None":
        while self._idle and not task.alone:
            process = self._idle.pop()
            if process.reusable:
                return process
        return None

    async def _attempt(self, process: "_Child", running: Running, task_type: TaskType, judge: Judge) -> WorkerFact:
        ahead = self._nursery.clock.now() - datetime.now(UTC)
        function = task_type.function
        span = None if self._nursery.tracing is None else self._nursery.tracing.current()
        order = child.Order(running.task, function.__module__, function.__qualname__, ahead, span)
        end = await process.run(order, running)
        if end is None:
            return _ended(running, judge, process.exit_code)
        running.settled_inside = end.settled_inside
        return end.fact

    def _keep_or_kill(self, process: "_Child", task: Task) -> None:
        """A task that is to run alone takes none of the idle ones: kept, the processes of such tasks would pile up."""
        if self._closed or task.alone or not process.reusable:
            process.kill()
        else:
            self._idle.append(process)


class _Child:
    """The parent's side of one process. Making one takes as long as importing the user's module takes."""

    def __init__(self, nursery: Nursery) -> None:
        context = multiprocessing.get_context("spawn")
        self._nursery = nursery
        self._orders, theirs = context.Pipe()
        their_lifeline, self._lifeline = context.Pipe(duplex=False)
        self._process: SpawnProcess = context.Process(
            target=child.serve,
            args=(theirs, their_lifeline, nursery.limits, nursery.joined, nursery.trace_child),
            daemon=True,
        )
        self._process.start()
        theirs.close()
        their_lifeline.close()
        self._tasks = 0
        self._busy = False
        self._killed = False

    @property
    def exit_code(self) -> int | None:
        """How the process ended; negative: by which signal."""
        return self._process.exitcode

    @property
    def reusable(self) -> bool:
        """Whether it may run another task. One that was killed is still alive for some moments."""
        if self._busy or self._killed or self._tasks >= TASKS_PER_CHILD or not self._process.is_alive():
            return False
        limit = self._nursery.max_memory
        try:
            return limit is None or psutil.Process(self._process.pid).memory_info().rss <= limit
        except psutil.Error:
            return False

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()
        self._process.join(1)

    def await_start(self) -> None:
        """Return once it takes orders, or has ended: whoever gives it an order will notice.

        Raises ChildProcessError when it was killed before: no task has to do with that.
        """
        try:
            self._next()
        except (EOFError, OSError) as error:
            self._process.join(1)
            if self.exit_code is not None and self.exit_code < 0:
                raise ChildProcessError(f"It was killed by signal {-self.exit_code} while it started.") from error

    async def run(self, order: child.Order, running: Running) -> child.End | None:
        """The handler's end; None when the process died or was killed first."""
        loop = asyncio.get_running_loop()
        self._tasks += 1
        self._busy = True
        ended = self._nursery.threads.run(partial(self._converse, order, running))

        def tell(cause: Cause) -> None:
            with suppress(RuntimeError):  # the loop is closed: the process ends with its lifeline
                loop.call_soon_threadsafe(self._tell, child.Ending(running.task.claim, cause), ended)

        running.on_end(tell)
        end = await ended
        self._busy = end is None
        return end

    def _converse(self, order: child.Order, running: Running) -> child.End | None:
        """Give the order and listen until the end. In a thread: a message may be long, and its writer slow."""
        try:
            self._orders.send(order)
            while isinstance(message := self._next(), child.Report):
                running.report(message.progress)
        except (EOFError, OSError):
            self._process.join(1)
            return None
        return message if isinstance(message, child.End) else None

    def _next(self) -> object:
        """What it tells next. Raises EOFError when it is dead.

        The pipe alone does not tell that: a program that a handler has started may hold it open for hours.
        """
        while not self._orders.poll(LOOK):
            if not self._process.is_alive() and not self._orders.poll():
                raise EOFError
        return self._orders.recv()

    def _tell(self, ending: child.Ending, ended: "asyncio.Future[child.End | None]") -> None:
        if ended.done():
            return
        if ending.cause is not Cause.CANCEL:
            self._kill_unless(ended)
            return
        with suppress(OSError):  # dead already: whoever listens notices
            self._lifeline.send(ending)
        ended.get_loop().call_later(COOPERATION.total_seconds(), self._kill_unless, ended)

    def _kill_unless(self, ended: "asyncio.Future[child.End | None]") -> None:
        if not ended.done():
            self._killed = True
            self._process.kill()


def _told(loop: asyncio.AbstractEventLoop, patience: asyncio.Timeout, cause: Cause) -> None:
    """A start may take longer than all that a stopping worker has left."""
    if cause is Cause.STOP:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_end_now, loop, patience)


def _end_now(loop: asyncio.AbstractEventLoop, patience: asyncio.Timeout) -> None:
    with suppress(RuntimeError):  # it is over
        patience.reschedule(loop.time())


def _started(nursery: Nursery) -> _Child:
    process = _Child(nursery)
    process.await_start()
    return process


def _unbegun(running: Running, judge: Judge) -> WorkerFact:
    if running.cause in (None, Cause.TIMEOUT):
        return Snoozed(running.task.claim, NO_PROCESS)
    return _ended(running, judge, None)


def _ended(running: Running, judge: Judge, exit_code: int | None) -> WorkerFact:
    token = running.task.claim
    match running.cause:
        case Cause.TIMEOUT:
            return judge.timed_out()
        case Cause.CANCEL:
            return Stopped(token)
        case Cause.STOP | Cause.LOST:
            return Interrupted(token)
        case None:
            failure = Failure("ProcessDied", f"The process of the task died with exit code {exit_code}.")
            return ProcessDied(token, failure, judge.crash_wait())
