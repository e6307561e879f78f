"""A cache within one process: the tasks that were read last, up to so many bytes."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.domain.task import Task, TaskId
from duly.ports.clock import Clock

MAX_SIZE = 64 * 1024 * 1024
ENTRY_SIZE = 2_048
"""About what a task takes beside its JSON texts."""


@dataclass(frozen=True, slots=True)
class _Held:
    task: Task | None
    """None: gone."""
    until: datetime
    size: int


class MemoryCache:
    """A Cache. What was read longest ago goes first when it is full."""

    def __init__(self, clock: Clock, max_size: int = MAX_SIZE) -> None:
        self._clock = clock
        self._max_size = max_size
        self._held: OrderedDict[TaskId, _Held] = OrderedDict()
        self._size = 0

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See Cache."""
        found = {}
        for task_id in ids:
            held = self._alive(task_id)
            if held is not None and held.task is not None:
                self._held.move_to_end(task_id)
                found[task_id] = held.task
        return found

    async def put(self, tasks: Collection[Task], kept: timedelta) -> None:
        """See Cache."""
        for task in tasks:
            held = self._alive(task.id)
            if held is None or (held.task is not None and _age(held.task) < _age(task)):
                self._hold(task.id, task, kept)

    async def drop(self, ids: Collection[TaskId], kept: timedelta) -> None:
        """See Cache."""
        for task_id in ids:
            self._hold(task_id, None, kept)

    async def check(self) -> str:
        """See Cache."""
        return f"memory of this process, {len(self._held)} tasks in about {self._size} of {self._max_size} bytes"

    async def close(self) -> None:
        """See Cache."""
        self._held.clear()
        self._size = 0

    def _alive(self, task_id: TaskId) -> _Held | None:
        held = self._held.get(task_id)
        if held is not None and held.until <= self._clock.now():
            self._forget(task_id)
            return None
        return held

    def _hold(self, task_id: TaskId, task: Task | None, kept: timedelta) -> None:
        self._forget(task_id)
        held = _Held(task, self._clock.now() + kept, _size(task))
        self._held[task_id] = held
        self._size += held.size
        while self._size > self._max_size:
            self._forget(next(iter(self._held)))

    def _forget(self, task_id: TaskId) -> None:
        held = self._held.pop(task_id, None)
        if held is not None:
            self._size -= held.size


def _age(task: Task) -> tuple[int, int]:
    return task.version, task.progress_seq


def _size(task: Task | None) -> int:
    if task is None:
        return ENTRY_SIZE
    return ENTRY_SIZE + sum(len(text) for text in (task.payload, task.result, task.error, task.progress) if text)
