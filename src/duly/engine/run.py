"""Running one claimed task: from the claim to the settle."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.domain.fact import Interrupted, Returned, Stopped, Unhandled, Unstorable, WorkerFact
from duly.domain.failure import Failure
from duly.domain.task import Task
from duly.engine.call import COOPERATION, Call, Caught, Vigil, in_loop, in_thread
from duly.engine.cause import Cause
from duly.engine.handlers import Runnable, TaskType
from duly.engine.lease import LeaseKeeper
from duly.engine.limits import Limits
from duly.engine.meter import Meter
from duly.engine.outcome import Judge
from duly.engine.patience import patiently
from duly.engine.process import Processes
from duly.engine.running import Running
from duly.engine.settle import Settler
from duly.engine.threads import Threads
from duly.ports.store import Store
from duly.ports.telemetry import Emit

LastResort = Callable[[], Awaitable[None]]
"""Has this process ended, in which nothing else runs, because a handler does not end that was told to."""

LONGEST_UNHANDLED = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What running a task takes."""

    store: Store
    handlers: Runnable
    limits: Limits
    settler: Settler
    keeper: LeaseKeeper
    processes: Processes
    threads: Threads
    meter: Meter
    emit: Emit
    lease: timedelta
    bind: Callable[[Task], None]
    """Puts the task on every log line of the current asyncio task."""
    last_resort: LastResort | None


class Runner:
    """Runs claimed tasks. One call of ``run`` is one attempt, in an asyncio task of its own."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._running: set[Running] = set()
        self._left: set[asyncio.Future[Caught]] = set()
        """Handlers that a stopping worker left behind; kept, for the event loop itself holds its tasks weakly."""

    def end_all(self, cause: Cause) -> None:
        """Ask everything that runs to end."""
        for running in list(self._running):
            running.end(cause)

    @property
    def count(self) -> int:
        """How many attempts run."""
        return len(self._running)

    async def run(self, task: Task, claimed_at: float) -> None:
        """Run and settle. ``claimed_at`` (monotonic) is when the claim was asked for. Returns when the slot is free."""
        self._tools.bind(task)
        task_type = self._tools.handlers.find(task.type)
        if task_type is None:
            await self._settle(task, Unhandled(task.claim, _unhandled_wait(task, self._now())), claimed_at)
            return
        running = self._running_of(task, task_type)
        self._tools.keeper.hold(running, claimed_at)
        self._running.add(running)
        try:
            if await self._still_ours(running, claimed_at):
                await self._attempt(running, task_type, claimed_at)
        finally:
            self._running.discard(running)
            self._tools.keeper.release(running)

    def _running_of(self, task: Task, task_type: TaskType) -> Running:
        running = Running(
            task,
            task_type,
            limits=self._tools.limits,
            report=lambda progress: self._tools.keeper.report(running, progress),
            joined=self._tools.store.joined,
            now=self._tools.store.clock.now,
        )
        return running

    async def _still_ours(self, running: Running, claimed_at: float) -> bool:
        """Whether the claim holds now: a process that slept since must not start a handler under a lost claim."""
        if time.monotonic() - claimed_at < self._tools.lease.total_seconds() / 2:
            return True
        kept = await patiently(lambda: self._tools.keeper.verify(self._tools.store.tasks, running), None)
        if kept:
            self._tools.keeper.hold(running, time.monotonic())
        else:
            self._tools.emit("lease.lost", _facts(running.task) | {"started": False})
        return kept

    async def _attempt(self, running: Running, task_type: TaskType, claimed_at: float) -> None:
        task = running.task
        judge = Judge(task, task_type.retry, random.random())  # noqa: S311  # jitter, not a secret
        self._tools.meter.started(task.queue, self._now() - task.run_at)
        timer = asyncio.get_running_loop().call_later(task.timeout.total_seconds(), running.end, Cause.TIMEOUT)
        try:
            fact = await self._execute(running, task_type, judge, claimed_at)
        finally:
            timer.cancel()
        if running.settled_inside:
            await self._check_inside(running, judge, fact, claimed_at)
        elif fact is not None:
            await self._settle(task, fact, claimed_at, running)

    async def _execute(
        self, running: Running, task_type: TaskType, judge: Judge, claimed_at: float
    ) -> WorkerFact | None:
        """What the handler's end means; None: it is left behind, and settled."""
        if task_type.executor == "process" or (running.task.alone and task_type.found_again):
            return await self._tools.processes.run(running, task_type, judge)
        try:
            arguments = running.arguments()
        except Exception as error:  # noqa: BLE001  # validators may be the user's own
            return judge.misfit(error)
        if running.cause is not None:  # told to end before it could begin
            return _ended(running, judge, asyncio.CancelledError())
        threads = self._tools.threads
        call = (
            in_loop(task_type, arguments) if task_type.executor == "async" else in_thread(threads, task_type, arguments)
        )
        if await self._left_behind(running, judge, call, claimed_at):
            return None
        value, raised = call.caught
        return (
            judge.returned(task_type, value, self._tools.limits) if raised is None else _ended(running, judge, raised)
        )

    async def _left_behind(self, running: Running, judge: Judge, call: Call, claimed_at: float) -> bool:
        """Wait for the handler. Whether it goes on still when the worker stops, so that it is left behind.

        One that goes on after its time-out keeps its slot, and whatever comes of it is refused; unless there is a last
        resort: then one that goes on after a cancel is settled too, and none that is over goes on for long.
        """
        vigil, settled = Vigil(running, call, cancels=self._tools.last_resort is not None), False
        while (cause := await vigil.next()) is not None:
            if cause in (Cause.TIMEOUT, Cause.CANCEL) and not settled:
                fact = judge.timed_out() if cause is Cause.TIMEOUT else Stopped(running.task.claim)
                await self._settle(running.task, fact, claimed_at, running)
                settled = True
                self._tools.keeper.release(running)
            if cause is not Cause.STOP:
                await self._end_for_good(call)
            else:
                self._left.add(call.returning)
                call.returning.add_done_callback(self._left.discard)
                if not settled:
                    await self._settle(running.task, Interrupted(running.task.claim), claimed_at, running)
                return True
        return False

    async def _end_for_good(self, call: Call) -> None:
        if self._tools.last_resort is None:
            return
        ended, _ = await asyncio.wait({call.returning}, timeout=COOPERATION.total_seconds())
        if not ended:
            await self._tools.last_resort()

    async def _check_inside(self, running: Running, judge: Judge, fact: WorkerFact | None, claimed_at: float) -> None:
        """The handler settled inside its own transaction: find out whether that was committed."""
        completed = await self._tools.settler.settled_inside(running.task)
        if completed is not None:
            self._told(running.task, completed, claimed_at)
            return
        if isinstance(fact, Returned | Unstorable):
            message = "The transaction that was given to complete_in was not committed."
            fact = judge.failed(Failure("NotCommitted", message))
        if fact is not None:
            await self._settle(running.task, fact, claimed_at, running)

    async def _settle(self, task: Task, fact: WorkerFact, claimed_at: float, running: Running | None = None) -> None:
        progress = None if running is None else self._tools.keeper.settling(running)
        settled = await self._tools.settler.settle(task, fact, progress)
        if settled is not None:
            self._told(task, settled, claimed_at)

    def _told(self, task: Task, settled: Task, claimed_at: float) -> None:
        run = timedelta(seconds=time.monotonic() - claimed_at)
        wait = max((task.started_at or task.run_at) - task.run_at, timedelta())
        self._tools.meter.settled(task.queue, settled.state, run)
        self._tools.emit(
            "task.settled",
            _facts(task)
            | {
                "outcome": settled.state.value,
                "reason": None if settled.reason is None else settled.reason.value,
                "wait_ms": round(wait / timedelta(milliseconds=1), 1),
                "run_ms": round(run / timedelta(milliseconds=1), 1),
            },
        )

    def _now(self) -> datetime:
        return self._tools.store.clock.now()


def _facts(task: Task) -> dict[str, object]:
    return {
        "task": str(task.id),
        "type": task.type,
        "queue": task.queue,
        "attempt": task.attempt,
        "worker": task.worker,
    }


def _ended(running: Running, judge: Judge, error: BaseException) -> WorkerFact:
    """What it means that the handler raised this: an answer to being told to end, or its own doing."""
    match running.cause:
        case Cause.TIMEOUT:
            return judge.timed_out()
        case Cause.CANCEL:
            return Stopped(running.task.claim)
        case Cause.STOP | Cause.LOST:
            return Interrupted(running.task.claim)
        case None if isinstance(error, asyncio.CancelledError):
            return judge.failed(Failure("CancelledError", "The handler cancelled itself."))
        case None:
            return judge.raised(error)


def _unhandled_wait(task: Task, now: datetime) -> timedelta:
    """As long again as the task has existed, a minute at most: back-off without a counter."""
    return min(max(now - task.created_at, timedelta(seconds=1)), LONGEST_UNHANDLED)
