"""What a memory store remembers."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import RLock

from duly.domain.errors import KeyTaken
from duly.domain.event import TaskEvent
from duly.domain.identity import ApiKey
from duly.domain.stats import Histogram, QueueState, WorkerRecord
from duly.domain.task import Task, TaskId, WorkerId
from duly.ports.once import Seen

RateKey = tuple[str, str, datetime]
"""The process, the queue and the start of the interval."""


class MemoryDatabase:
    """The rows. Stores that share one see each other's writes, as processes do that share a database.

    Whoever reads or writes holds ``lock``; rows are immutable, so what was read stays as it was.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.tasks: dict[TaskId, Task] = {}
        self.events: dict[TaskId, tuple[TaskEvent, ...]] = {}
        self.purged: dict[TaskId, datetime] = {}
        self.queues: dict[str, QueueState] = {}
        self.rates: dict[RateKey, Histogram] = {}
        self.workers: dict[WorkerId, WorkerRecord] = {}
        self.keys: dict[str, ApiKey] = {}
        self.secrets: dict[str, str] = {}
        self.once: dict[tuple[str, str], tuple[datetime, Seen]] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock; what was written to tasks and events is undone when the block raises."""
        with self.lock:
            tasks, events = dict(self.tasks), dict(self.events)
            try:
                yield
            except BaseException:
                self.tasks, self.events = tasks, events
                raise

    def insert(self, task: Task) -> Task:
        """Add the task unless its id or its key is there. Returns what is stored for it."""
        stored = self.tasks.get(task.id) or self.holder(task)
        if stored is not None:
            return stored
        self.tasks[task.id] = task
        return task

    def insert_all(self, tasks: Sequence[Task], within: Collection[str] | None) -> list[Task]:
        """Insert all or none. Raises KeyTaken when a task of a queue that is not ``within`` these holds a key."""
        for task in tasks:
            holder = self.holder(task)
            if within is not None and holder is not None and holder.queue not in within:
                raise KeyTaken(task.type, task.key or "")
        return [self.insert(task) for task in tasks]

    def holder(self, task: Task) -> Task | None:
        """The other live task that holds the key of this task."""
        if task.key is None:
            return None
        same = (t for t in self.tasks.values() if t.type == task.type and t.key == task.key)
        return next((t for t in same if not t.final and t.id != task.id), None)

    def tell(self, events: Iterable[TaskEvent]) -> None:
        """Append to the stories of tasks that exist."""
        for event in events:
            if event.task_id in self.tasks:
                self.events[event.task_id] = (*self.events.get(event.task_id, ()), event)
