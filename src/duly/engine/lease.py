"""Signs of life: renews the leases of everything that this process runs, whatever its handlers do to the event loop."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock, Thread

from duly.domain.errors import StoreUnavailable
from duly.domain.task import Task, TaskId
from duly.engine.cause import Cause
from duly.engine.nudge import Nudge
from duly.engine.running import Running
from duly.engine.stall import StallWatch
from duly.ports.store import MAX_BATCH, Renewal, Store, TaskStore
from duly.ports.telemetry import Emit

LOOK_FOR_CANCELS = 1.0
AGAIN = 0.05
"""Two looks that were asked for are so many seconds apart at least."""

PROGRESS_EVERY = timedelta(seconds=1)

LONGEST_GOODBYE = 0.5
"""In seconds. A thread that waits for a database that is away is left behind: leases end by themselves."""


@dataclass(slots=True)
class _Held:
    running: Running
    renew_at: float
    until: float
    """No renewal after this: the attempt's time-out and its grace."""
    progress: str | None = None
    progress_at: float = 0.0

    @property
    def task(self) -> Task:
        return self.running.task


class LeaseKeeper:
    """A thread of its own with a store of its own. All renewals of one moment share a statement."""

    def __init__(
        self,
        open_store: Callable[[], AbstractAsyncContextManager[Store]],
        *,
        lease: timedelta,
        grace: timedelta,
        stall: StallWatch,
        emit: Emit,
    ) -> None:
        self._open_store = open_store
        self._lease = lease
        self._grace = grace.total_seconds()
        self._interval = lease.total_seconds() / 3
        self._tick = min(1.0, self._interval / 3)
        self._stall = stall
        self._emit = emit
        self._lock = Lock()
        self._new: dict[str, tuple[Running, float]] = {}
        """Not looked at yet, with when the claim was asked for: most have ended before the next look."""
        self._held: dict[str, _Held] = {}
        self._stopping = False
        self._asked = False
        self._nudge = Nudge()
        self._thread = Thread(target=self._run, name="duly-lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End; whatever is still held is renewed no more. Blocks until the thread has ended, half a second at most."""
        self._stopping = True
        self._nudge.give()
        self._thread.join(LONGEST_GOODBYE)

    def look_for_cancels(self) -> None:
        """See soon whether the cancel of a task that is held here was asked for, instead of within a second."""
        self._asked = True
        self._nudge.give()

    def hold(self, running: Running, claimed_at: float) -> None:
        """Keep this attempt's lease from now on; ``claimed_at`` (monotonic) is when the claim was asked for.

        An earlier attempt of the same task that is held here still has lost its claim: it would not be claimed twice.
        """
        id_ = running.task.id_text
        with self._lock:
            earlier = self._held.pop(id_).running if id_ in self._held else self._new.get(id_, (running,))[0]
            self._new[id_] = running, claimed_at
        if earlier is not running:
            self._tell_lost(earlier)

    def release(self, running: Running) -> None:
        """The attempt is settled, or its claim is lost: renew no more."""
        id_ = running.task.id_text
        with self._lock:
            new = self._new.get(id_)
            if new is not None and new[0] is running:
                del self._new[id_]
            elif self._of(running) is not None:
                del self._held[id_]

    def report(self, running: Running, progress: str) -> None:
        """Write this progress with the next sign of life; only the newest counts."""
        with self._lock:
            self._look_at_new()
            held = self._of(running)
            if held is not None:
                held.progress = progress

    def settling(self, running: Running) -> str | None:
        """The outcome is being written: returns the progress that no sign of life has carried yet.

        The lease is kept until ``release``; that a claim is gone is no news from now on.
        """
        running.settling = True
        held = self._of(running)
        return None if held is None else held.progress

    async def verify(self, tasks: TaskStore, running: Running) -> bool:
        """Renew this one now, through the given store, and say whether the claim still holds."""
        kept = await tasks.renew([Renewal(running.task.id, running.task.claim)], self._lease)
        return running.task.id in kept

    def _of(self, running: Running) -> _Held | None:
        held = self._held.get(running.task.id_text)
        return held if held is not None and held.running is running else None

    def _look_at_new(self) -> None:
        for id_, (running, claimed_at) in self._new.items():
            until = claimed_at + running.task.timeout.total_seconds() + self._grace
            self._held[id_] = _Held(running, claimed_at + self._interval, until)
        self._new.clear()

    def _run(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        while not self._stopping:
            self._stall.look()
            try:
                async with self._open_store() as store:
                    await self._renew_from(store.tasks)
            except Exception as error:  # noqa: BLE001  # the top of a loop: all that runs here hangs on this thread
                self._emit("lease.unrenewed", {"error": repr(error)})
                await self._nudge.wait(self._tick)

    async def _renew_from(self, tasks: TaskStore) -> None:
        looked_at = time.monotonic()
        while not self._stopping:
            await self._nudge.wait(AGAIN if self._asked else self._tick)
            self._stall.look()
            now = time.monotonic()
            looking = now - looked_at >= (AGAIN if self._asked else LOOK_FOR_CANCELS)
            if looking:
                looked_at, self._asked = now, False
            await self._pass(tasks, now, looking)

    async def _pass(self, tasks: TaskStore, now: float, looking: bool) -> None:
        try:
            await self._renew(tasks, now)
            if looking:
                await self._look_for_cancels(tasks)
        except StoreUnavailable as error:
            self._emit("lease.unrenewed", {"error": str(error)})

    async def _renew(self, tasks: TaskStore, now: float) -> None:
        due = self._due(now)
        for start in range(0, len(due), MAX_BATCH):
            part = due[start : start + MAX_BATCH]
            kept = await tasks.renew([renewal for _, renewal in part], self._lease)
            self._renewed(part, kept, now)

    def _due(self, now: float) -> list[tuple[_Held, Renewal]]:
        with self._lock:
            self._look_at_new()
            held = [one for one in self._held.values() if now < one.until]
            lease_due = any(now >= one.renew_at for one in held)
            chosen = held if lease_due else [one for one in held if _progress_due(one, now)]
            return [(one, _renewal(one, now)) for one in chosen]

    def _renewed(self, part: Iterable[tuple[_Held, Renewal]], kept: dict[TaskId, bool], now: float) -> None:
        for held, renewal in part:
            cancelling = kept.get(held.task.id)
            if cancelling is None:
                self._lost(held)
                continue
            self._kept(held, renewal, now)
            if cancelling:
                held.running.end(Cause.CANCEL)

    def _kept(self, held: _Held, renewal: Renewal, now: float) -> None:
        with self._lock:
            held.renew_at = now + self._interval
            if renewal.progress is not None:
                held.progress_at = now
                if held.progress is renewal.progress:
                    held.progress = None

    def _lost(self, held: _Held) -> None:
        with self._lock:
            if self._held.get(held.task.id_text) is not held:
                return  # released meanwhile
            del self._held[held.task.id_text]
        self._tell_lost(held.running)

    def _tell_lost(self, running: Running) -> None:
        if running.settling:
            return  # most probably it is settled, and the answer is on its way
        task = running.task
        self._emit("lease.lost", {"task": task.id_text, "type": task.type, "attempt": task.attempt})
        running.end(Cause.LOST)

    async def _look_for_cancels(self, tasks: TaskStore) -> None:
        with self._lock:
            self._look_at_new()
            running = [held.running for held in self._held.values() if held.running.cause is None]
        by_id = {one.task.id: one for one in running}
        ids = list(by_id)
        for start in range(0, len(ids), MAX_BATCH):
            for task_id in await tasks.cancelling(ids[start : start + MAX_BATCH]):
                by_id[task_id].end(Cause.CANCEL)


def _progress_due(held: _Held, now: float) -> bool:
    return held.progress is not None and now - held.progress_at >= PROGRESS_EVERY.total_seconds()


def _renewal(held: _Held, now: float) -> Renewal:
    return Renewal(held.task.id, held.task.claim, held.progress if _progress_due(held, now) else None)
