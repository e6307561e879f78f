"""Running one claimed task: from the claim to the settle."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from duly.domain.fact import Interrupted, Returned, Snoozed, Stopped, Unhandled, Unstorable, WorkerFact
from duly.domain.failure import Failure
from duly.domain.task import Task
from duly.engine.attempt import Attempt
from duly.engine.call import COOPERATION, Caught, Vigil, in_thread
from duly.engine.cause import Cause
from duly.engine.deadlines import Deadlines
from duly.engine.inline import Begun, Inline, begun
from duly.engine.outcome import returned, unhandled_wait
from duly.engine.patience import patiently
from duly.engine.running import Means, Running
from duly.engine.settlement import Settlement, facts_of
from duly.engine.slot import Slot
from duly.engine.threads import NoRoom
from duly.engine.tools import Tools

NO_ROOM = timedelta(seconds=5)
"""So long a task waits, uncharged, when this machine has no room for another thread."""


class Later(NamedTuple):
    """A handler that has not ended at once."""

    fact: Awaitable[WorkerFact | None]
    """What its end means; None: it was left behind, and settled."""


class Runner:
    """Runs claimed tasks. One call of ``run`` is one attempt."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._deadlines = Deadlines()
        self._sure = tools.lease.total_seconds() / 2
        """So many seconds after a claim was asked for, it surely holds."""
        self._running: set[Running] = set()
        self._means = Means(tools.limits, tools.keeper.report, tools.store.joined, tools.store.clock.now)
        self._left: set[asyncio.Future[Any]] = set()
        """What a stopping worker left behind; kept, for the event loop itself holds its tasks weakly."""

    def end_all(self, cause: Cause) -> None:
        """Ask everything that runs to end."""
        for running in list(self._running):
            running.end(cause)

    @property
    def count(self) -> int:
        """How many attempts run."""
        return len(self._running)

    async def run(self, task: Task, claimed_at: float, slot: Slot) -> None:
        """Run and settle: a Start."""
        self._tools.bind(task)
        task_type = self._tools.handlers.find(task.type)
        if task_type is None:
            await self._settle(task, Unhandled(task.claim, unhandled_wait(task, self._now())), claimed_at)
            slot.free()
            return
        running = Running(task, task_type, self._means)
        attempt = Attempt(running, task_type, claimed_at, time.monotonic(), slot)
        self._tools.keeper.hold(running, claimed_at)
        self._running.add(running)
        try:
            if attempt.began - claimed_at < self._sure or await self._still_ours(attempt):
                self._tools.meter.started(task, ((task.started_at or task.run_at) - task.run_at).total_seconds())
                try:
                    called = self._execute(attempt)
                    fact = await called.fact if isinstance(called, Later) else called
                except NoRoom as error:
                    fact = self._without_room(task, error)
                if type(fact) is not Returned or running.settled_inside or slot.abandoned or not self._tools.posts:
                    await self._conclude(attempt, fact)
                else:
                    self._post(attempt, fact)
        finally:
            if not attempt.posted:
                self._end(attempt)

    def _without_room(self, task: Task, error: NoRoom) -> Snoozed:
        """There is no room for its thread: it comes again, uncharged."""
        self._tools.emit("thread.unstarted", facts_of(task) | {"error": str(error)})
        return Snoozed(task.claim, NO_ROOM)

    def _end(self, attempt: Attempt) -> None:
        """Nothing more is done for it. A second time nothing happens."""
        if attempt.timed:
            self._deadlines.stop(attempt.running)
        self._running.discard(attempt.running)
        self._tools.keeper.release(attempt.running)
        attempt.slot.free()

    def _begin_timeout(self, attempt: Attempt) -> None:
        attempt.timed = True
        self._deadlines.start(attempt.running, attempt.began)

    async def _sure_of(self, attempt: Attempt) -> bool:
        return time.monotonic() - attempt.claimed_at < self._sure or await self._still_ours(attempt)

    async def _still_ours(self, attempt: Attempt) -> bool:
        """Whether the claim holds now: a process that slept since must not start a handler under a lost claim."""
        keeper, tasks = self._tools.keeper, self._tools.store.tasks
        kept = await patiently(lambda: keeper.verify(tasks, attempt.running), None)
        if kept:
            attempt.began = time.monotonic()
            keeper.hold(attempt.running, attempt.began)
        else:
            self._tools.emit("lease.lost", facts_of(attempt.task) | {"started": False})
        return kept

    async def _conclude(self, attempt: Attempt, fact: WorkerFact | None) -> None:
        """Settle whatever way an attempt has ended, and wait for that."""
        if attempt.slot.abandoned:
            raise asyncio.CancelledError
        if attempt.running.settled_inside:
            await self._check_inside(attempt, fact)
        elif fact is not None:
            await self._settle(attempt.task, fact, attempt.claimed_at, attempt.running)

    def _post(self, attempt: Attempt, fact: Returned) -> None:
        """Settle what was returned, without a wait: this is how nearly all attempts end."""
        progress = self._tools.keeper.settling(attempt.running)
        self._tools.settler.post(attempt.running.task, fact, progress, partial(self._posted, attempt, fact))
        attempt.posted = True
        attempt.slot.holder = None

    def _posted(self, attempt: Attempt, fact: Returned, settled: Task | None) -> None:
        if settled is not None:
            self._told(attempt.running.task, settled, attempt.claimed_at)
        elif not attempt.slot.abandoned:
            attempt.slot.holder = asyncio.create_task(self._settle_alone(attempt, fact))
            return
        self._end(attempt)

    async def _settle_alone(self, attempt: Attempt, fact: Returned) -> None:
        """It was not written with others: find out why."""
        self._tools.bind(attempt.task)
        try:
            await self._settle(attempt.task, fact, attempt.claimed_at, attempt.running)
        except Exception as error:  # noqa: BLE001  # a fault of ours costs this attempt its lease, not the worker
            self._tools.emit("attempt.broken", facts_of(attempt.task) | {"error": repr(error)})
            attempt.slot.broken = True
        finally:
            self._end(attempt)

    def _execute(self, attempt: Attempt) -> WorkerFact | Later:
        """What the handler's end means, where it has ended at once."""
        running = attempt.running
        if attempt.type.executor == "process" or (running.task.alone and attempt.type.found_again):
            self._begin_timeout(attempt)
            sure = partial(self._sure_of, attempt)
            return Later(self._tools.processes.run(running, attempt.type, attempt.judge, sure))
        try:
            arguments = running.arguments()
        except BaseException as error:  # noqa: BLE001  # validators may be the user's own
            return attempt.judge.misfit(error)
        if running.cause is not None:  # told to end before it could begin
            return attempt.judge.ended(running.cause, asyncio.CancelledError())
        if attempt.type.executor != "async":
            return Later(self._awaited(attempt, self._in_thread(attempt, arguments)))
        called = begun(attempt.type, arguments)
        if isinstance(called, Begun):
            return Later(self._awaited(attempt, self._in_loop(attempt, called)))
        return self._fact(attempt, called)

    async def _awaited(self, attempt: Attempt, call: Awaitable[Caught]) -> WorkerFact | None:
        caught = await call
        return None if attempt.left else self._fact(attempt, caught)

    def _fact(self, attempt: Attempt, caught: Caught) -> WorkerFact:
        value, raised = caught
        if raised is not None:
            return attempt.judge.ended(attempt.running.cause, raised)
        return returned(attempt.running.task, attempt.type, value, self._tools.limits)

    async def _in_loop(self, attempt: Attempt, begun: Begun) -> Caught:
        """The rest of a handler that has something to wait for."""
        self._begin_timeout(attempt)
        over, cancels = partial(self._over, attempt), self._tools.last_resort is not None
        inline = Inline(attempt.slot.holder, over, cancels=cancels, parting=self._tools.parting)
        caught = await inline.rest(attempt.running, begun)
        if attempt.warden is not None:
            await asyncio.wait({attempt.warden})
        return caught

    async def _in_thread(self, attempt: Attempt, arguments: Mapping[str, object]) -> Caught:
        self._begin_timeout(attempt)
        call = in_thread(self._tools.threads, attempt.type, arguments)
        cancels = self._tools.last_resort is not None
        vigil = Vigil(attempt.running, call, cancels=cancels, parting=self._tools.parting)
        while (cause := await vigil.next()) is not None:
            await self._outlived(attempt, cause, call)
            if attempt.left:
                self._keep(call)
                return None, None
        return call.result()

    def _over(self, attempt: Attempt, inline: Inline, cause: Cause) -> None:
        """The attempt is over, and its handler goes on in the attempt's own asyncio task: see to it in another."""
        attempt.warden = asyncio.create_task(self._ward(attempt, inline, cause, attempt.warden))

    async def _ward(self, attempt: Attempt, inline: Inline, cause: Cause, earlier: "asyncio.Task[None] | None") -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        if inline.gone is None or inline.gone.done() or attempt.left:
            return
        await self._outlived(attempt, cause, inline.gone)
        if attempt.left and inline.task is not None:
            self._keep(inline.task)
            self._end(attempt)

    async def _outlived(self, attempt: Attempt, cause: Cause, gone: "asyncio.Future[Any]") -> None:
        """Settle what is over although its handler goes on.

        After its time-out it keeps its slot, and whatever comes of it is refused. With a last resort what goes on after
        a cancel is settled too, and none that is over goes on for long. A stopping worker leaves it behind.
        """
        task = attempt.task
        if cause in (Cause.TIMEOUT, Cause.CANCEL) and not attempt.settled:
            fact = attempt.judge.timed_out() if cause is Cause.TIMEOUT else Stopped(task.claim)
            await self._settle(task, fact, attempt.claimed_at, attempt.running)
            attempt.settled = True
            self._tools.keeper.release(attempt.running)
        if cause is not Cause.STOP:
            await self._end_for_good(gone)
            return
        attempt.left = True
        if not attempt.settled:
            await self._settle(task, Interrupted(task.claim), attempt.claimed_at, attempt.running)

    def _keep(self, left: "asyncio.Future[Any]") -> None:
        self._left.add(left)
        left.add_done_callback(self._left.discard)

    async def _end_for_good(self, gone: "asyncio.Future[Any]") -> None:
        if self._tools.last_resort is None:
            return
        ended, _ = await asyncio.wait({gone}, timeout=COOPERATION.total_seconds())
        if not ended:
            await self._tools.last_resort()

    async def _check_inside(self, attempt: Attempt, fact: WorkerFact | None) -> None:
        """The handler settled inside its own transaction: find out whether that was committed."""
        task = attempt.task
        completed = await self._tools.settler.settled_inside(task)
        if completed is not None:
            self._told(task, completed, attempt.claimed_at)
            return
        if isinstance(fact, Returned | Unstorable):
            message = "The transaction that was given to complete_in was not committed."
            fact = attempt.judge.failed(Failure("NotCommitted", message))
        if fact is not None:
            await self._settle(task, fact, attempt.claimed_at, attempt.running)

    async def _settle(self, task: Task, fact: WorkerFact, claimed_at: float, running: Running | None = None) -> None:
        progress = None if running is None else self._tools.keeper.settling(running)
        settled = await self._tools.settler.settle(task, fact, progress)
        if settled is not None:
            self._told(task, settled, claimed_at)

    def _told(self, task: Task, settled: Task, claimed_at: float) -> None:
        run = time.monotonic() - claimed_at
        self._tools.meter.settled(settled, run)
        self._tools.emit("task.settled", Settlement(task, settled, run))

    def _now(self) -> datetime:
        return self._tools.store.clock.now()
