"""Moving on what time has moved: tasks that are due, leases that ran out, tasks that expired."""

import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from duly.domain.errors import IllegalMove, StoreUnavailable
from duly.domain.fact import Due, Expired, Fact, LeaseExpired, RunNow
from duly.domain.state import State
from duly.domain.task import Task
from duly.domain.transition import Change, decide
from duly.engine.herald import Herald
from duly.engine.outcome import crash_wait
from duly.ports.store import MAX_BATCH, Store
from duly.ports.telemetry import Emit

NOW = timedelta()
LATER = timedelta.max


class Sweeper:
    """Safe in any number of processes at once: every write is fenced by the version that was seen.

    Leases are judged only after one full lease of unbroken contact with the database: after an outage, when this
    process itself stood still, or where the store's clock leapt (a machine slept, and its running time with it), living
    workers have had the time to renew first.
    """

    def __init__(self, store: Store, herald: Herald, lease: timedelta, emit: Emit) -> None:
        self._store = store
        self._herald = herald
        self._lease = lease.total_seconds()
        self._emit = emit
        self._contact_since: float | None = None
        self._last_contact = 0.0
        self._last_time = 0.0
        """The store's time at the last contact."""
        self.swept_at = time.monotonic()
        """When the last full pass ended (monotonic); before the first one, when this began."""

    async def step(self) -> timedelta | None:
        """One pass over all that is overdue. Returns how soon the next task is due; None: none is scheduled.

        When nothing is overdue, as nearly always, that is one short look. Raises StoreUnavailable.
        """
        try:
            soonest = await self._soonest()
            if await self._sweep_what_is_overdue(soonest):
                soonest = await self._soonest()
            self.swept_at = time.monotonic()
        except StoreUnavailable:
            self._contact_since = None
            raise
        due = soonest.get(State.SCHEDULED)
        return None if due is None else max(due, NOW)

    async def release(self, types: Collection[str]) -> int:
        """Run now what waited only for a handler of these types. Returns how many tasks were released."""
        released = 0
        while tasks := await self._store.tasks.unhandled(types, MAX_BATCH):
            moved = await self._apply(tasks, lambda _: RunNow())
            released += moved
            if not moved:
                break
        return released

    async def _soonest(self) -> Mapping[State, timedelta]:
        soonest = await self._store.tasks.soonest()
        self._in_contact()
        return soonest

    async def _sweep_what_is_overdue(self, soonest: Mapping[State, timedelta]) -> int:
        moved = 0
        for state, fact_for in _WHEN.items():
            if soonest.get(state, LATER) <= NOW:
                moved += await self._sweep(state, fact_for)
        return moved

    async def _sweep(self, state: State, fact_for: Callable[[Task], Fact]) -> int:
        moved = 0
        while True:
            tasks = await self._store.tasks.overdue(state, MAX_BATCH)
            if state is State.RUNNING and not self._in_contact():
                return moved
            now_moved = await self._apply(tasks, fact_for)
            moved += now_moved
            if len(tasks) < MAX_BATCH or not now_moved:
                return moved

    async def _apply(self, tasks: Collection[Task], fact_for: Callable[[Task], Fact]) -> int:
        now = self._store.clock.now()
        changes = [change for task in tasks if (change := _decided(task, fact_for(task), now)) is not None]
        if not changes:
            return 0
        lost = {id(change) for change in await self._store.tasks.apply(changes)}
        won = [change for change in changes if id(change) not in lost]
        self._tell(won)
        return len(won)

    def _tell(self, changes: Collection[Change]) -> None:
        self._herald.changed(*(change.after for change in changes))
        for change in changes:
            if change.before.state is State.RUNNING:
                self._emit("lease.expired", _facts(change))
            elif change.after.final:
                self._emit("task.expired", _facts(change))

    def _in_contact(self) -> bool:
        """Whether a full lease of unbroken contact lies behind; a gap between passes breaks it, or a look that hung."""
        now, at = time.monotonic(), self._store.clock.now().timestamp()
        gap = max(now - self._last_contact, at - self._last_time)
        if self._contact_since is None or gap > self._lease / 2:
            self._contact_since = now
        self._last_contact, self._last_time = now, at
        return now - self._contact_since >= self._lease


def _when_scheduled(task: Task) -> Fact:
    expired = task.expires_at is not None and task.expires_at <= task.run_at
    return Expired() if expired else Due()


def _when_pending(_: Task) -> Fact:
    return Expired()


def _when_running(task: Task) -> Fact:
    return LeaseExpired(crash_wait(task.crashes + 1, random.random()))  # noqa: S311  # jitter, not a secret


_WHEN: dict[State, Callable[[Task], Fact]] = {
    State.SCHEDULED: _when_scheduled,
    State.PENDING: _when_pending,
    State.RUNNING: _when_running,
}


def _decided(task: Task, fact: Fact, now: datetime) -> Change | None:
    """The change, or None when this process's clock does not agree that it is time; the next pass will see."""
    try:
        return decide(task, fact, now)
    except IllegalMove:
        return None


def _facts(change: Change) -> dict[str, object]:
    return {
        "task": str(change.after.id),
        "type": change.after.type,
        "queue": change.after.queue,
        "attempt": change.after.attempt,
        "worker": change.before.worker,
        "outcome": change.after.state.value,
        "crashes": change.after.crashes,
    }
