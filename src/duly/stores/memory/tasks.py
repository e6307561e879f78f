"""The tasks, as plain Python: what every store's tasks are held to."""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from duly.domain.errors import KeyTaken
from duly.domain.query import MAX_LOOKED_AT, Page, TaskQuery
from duly.domain.state import LIVE, Reason, State
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import Change, claimed
from duly.ports.clock import Clock
from duly.ports.store import Renewal
from duly.stores.memory.database import MemoryDatabase


class MemoryTasks:
    """A TaskStore."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, tasks: Sequence[Task], *, within: Collection[str] | None = None) -> list[Task]:
        """See TaskStore."""
        with self._database.lock:
            return self._database.insert_all(tasks, within)

    async def claim(
        self,
        queue: str,
        limit: int,
        worker: WorkerId,
        lease: timedelta,
        *,
        among: Collection[TaskId] | None = None,
    ) -> list[Task]:
        """See TaskStore."""
        token = ClaimToken(uuid4())
        with self._database.lock:
            now = self._clock.now()
            hinted = [task for task in self._ready(queue, now) if among is None or task.id in among]
            ready = sorted(hinted, key=lambda task: (-task.priority, task.run_at, task.id))
            taken = [claimed(task, token, worker, now, lease) for task in ready[:limit]]
            self._write(taken)
            return taken

    def _ready(self, queue: str, now: datetime) -> Iterator[Task]:
        state = self._database.queues.get(queue)
        if state is not None and state.paused:
            return
        for task in self._database.tasks.values():
            expired = task.expires_at is not None and task.expires_at <= now
            if task.queue == queue and task.state is State.PENDING and not expired:
                yield task

    async def renew(self, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
        """See TaskStore."""
        with self._database.lock:
            until = self._clock.now() + lease
            held = [_renewed(task, renewal, until) for renewal in renewals if (task := self._held(renewal))]
            self._write(held)
            return {task.id: task.cancelling for task in held}

    def _held(self, renewal: Renewal) -> Task | None:
        task = self._database.tasks.get(renewal.id)
        holds = task is not None and task.state is State.RUNNING and task.token == renewal.token
        return task if holds else None

    async def apply(self, changes: Sequence[Change]) -> list[Change]:
        """See TaskStore."""
        with self._database.transaction():
            return [change for change in changes if not self._apply(change)]

    def _apply(self, change: Change) -> bool:
        """Write the change unless it has lost the race; whether it was written."""
        after = change.after
        current = self._database.tasks.get(change.before.id)
        if current is None or not _holds(change, current):
            return False
        if after.key is not None and not after.final and self._database.holder(after):
            raise KeyTaken(after.type, after.key)
        self._write([current._replace(**_changed(change, current))])
        self._database.tell(change.events)
        for task in change.adds:
            self._database.insert(task)
        return True

    def _write(self, tasks: Sequence[Task]) -> None:
        self._database.tasks.update({task.id: task for task in tasks})

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See TaskStore."""
        with self._database.lock:
            return {id_: self._database.tasks[id_] for id_ in ids if id_ in self._database.tasks}

    async def page(self, query: TaskQuery) -> Page:
        """See TaskStore."""
        with self._database.lock:
            newest_first = sorted(self._database.tasks.values(), key=lambda task: task.id, reverse=True)
        rest = [task for task in newest_first if query.before is None or task.id < query.before]
        looked_at = rest[:MAX_LOOKED_AT]
        found = tuple(islice((task for task in looked_at if _fits(task, query)), query.limit))
        last = found[-1] if len(found) == query.limit else looked_at[-1] if looked_at else None
        return Page(found, last.id if last and last is not rest[-1] else None)

    async def overdue(self, state: State, limit: int) -> list[Task]:
        """See TaskStore."""
        with self._database.lock:
            now = self._clock.now()
            awake = [(task.wake_at, task.id) for task in self._in(state) if task.wake_at and task.wake_at <= now]
            return [self._database.tasks[id_] for _, id_ in sorted(awake)[:limit]]

    async def soonest(self) -> dict[State, timedelta]:
        """See TaskStore."""
        with self._database.lock:
            now = self._clock.now()
            wakes = {state: [task.wake_at for task in self._in(state) if task.wake_at] for state in LIVE}
        return {state: min(times) - now for state, times in wakes.items() if times}

    async def unhandled(self, types: Collection[str], limit: int) -> list[Task]:
        """See TaskStore."""
        with self._database.lock:
            scheduled = (task for task in self._in(State.SCHEDULED) if task.reason is Reason.NO_HANDLER)
            return [task for task in scheduled if task.type in types][:limit]

    async def cancelling(self, ids: Collection[TaskId]) -> set[TaskId]:
        """See TaskStore."""
        with self._database.lock:
            return {task.id for task in self._in(State.RUNNING) if task.cancelling and task.id in ids}

    def _in(self, state: State) -> Iterator[Task]:
        return (task for task in self._database.tasks.values() if task.state is state)


def _renewed(task: Task, renewal: Renewal, until: datetime) -> Task:
    if renewal.progress is None:
        return task._replace(lease_until=until)
    return task._replace(lease_until=until, progress=renewal.progress, progress_seq=task.progress_seq + 1)


def _holds(change: Change, current: Task) -> bool:
    before = change.before
    same_claim = (current.version, current.token) == (before.version, before.token)
    return same_claim and (not change.judges_lease or current.lease_until == before.lease_until)


def _changed(change: Change, current: Task) -> dict[str, Any]:
    """The fields that the change decides; what it leaves alone may have been renewed meanwhile.

    ``progress_seq`` may have too: it is raised by as much as the change raises it, and never goes down.
    """
    before, after = change.before, change.after
    changed = {name: new for name, old, new in zip(Task._fields, before, after, strict=True) if new != old}
    return changed | {"progress_seq": current.progress_seq + after.progress_seq - before.progress_seq}


def _fits(task: Task, query: TaskQuery) -> bool:
    return all(
        (
            query.state in (None, task.state),
            query.type in (None, task.type),
            query.queue in (None, task.queue),
            query.queues is None or task.queue in query.queues,
            query.tag is None or query.tag in task.tags,
            query.key in (None, task.key),
            query.created_after is None or task.created_at >= query.created_after,
            query.created_before is None or task.created_at < query.created_before,
            query.error_type is None or query.error_type == _error_type(task),
        )
    )


def _error_type(task: Task) -> object:
    return json.loads(task.error)["type"] if task.error else None
