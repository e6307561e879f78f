"""Who serves what, as it was a moment ago: why a task waits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from duly.domain.state import Reason, State
from duly.domain.stats import QueueState, WorkerRecord
from duly.domain.task import Task
from duly.engine.fresh import Fresh
from duly.ports.store import Store

FRESH = timedelta(seconds=1)
ALIVE_WITHIN = timedelta(seconds=20)
"""A worker that was silent for longer is not counted on; it says so every few seconds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a task is not running yet, and until when at least, where that is known."""

    reason: str
    detail: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One look at queues and workers."""

    queues: Mapping[str, QueueState]
    workers: tuple[WorkerRecord, ...]
    _told: dict[tuple[str, str], Waiting] = field(default_factory=dict[tuple[str, str], Waiting], compare=False)
    """What was said of a queue and a type: the same for all that wait there."""

    def waiting(self, task: Task) -> Waiting | None:
        """Why this task is not running; None when it is running or final."""
        match task.state:
            case State.SCHEDULED:
                return _scheduled(task)
            case State.PENDING:
                place = (task.queue, task.type)
                if place not in self._told:
                    self._told[place] = self._pending(task)
                return self._told[place]
            case _:
                return None

    def _pending(self, task: Task) -> Waiting:
        state = self.queues.get(task.queue)
        if state is not None and state.paused:
            return Waiting("queue_paused", f"The queue {task.queue!r} is paused.")
        serving = [worker for worker in self.workers if task.queue in worker.queues]
        if not serving:
            return Waiting("no_worker", f"No live worker serves the queue {task.queue!r}.")
        if not any(task.type in worker.types for worker in serving):
            return Waiting("no_handler", f"No worker of the queue {task.queue!r} has a handler for {task.type!r}.")
        return Waiting("behind_others", "It is ready and waits for a free slot.")


class Landscape:
    """Looks at queues and workers at most once a second, however many ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._view = Fresh(self._look, FRESH)

    async def view(self) -> View:
        """Who serves what, at most a second old. Raises StoreUnavailable."""
        return await self._view.get()

    def forget(self) -> None:
        """Look again next time: something was changed from here."""
        self._view.forget()

    async def _look(self) -> View:
        queues = {queue.name: queue for queue in await self._store.queues.states()}
        return View(queues, tuple(await self._store.roster.alive(ALIVE_WITHIN)))


def _scheduled(task: Task) -> Waiting:
    match task.reason:
        case Reason.NO_HANDLER:
            return Waiting("no_handler", f"No worker that claimed it has a handler for {task.type!r}.", task.run_at)
        case Reason.HANDLER_ERROR | Reason.TIMEOUT | Reason.WORKER_LOST:
            return Waiting("retry_wait", "The last attempt failed; the next one follows.", task.run_at)
        case _:
            return Waiting("not_due", "Its time has not come.", task.run_at)
