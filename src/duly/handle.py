"""A submitted task, as Python sees it."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

from duly.domain.errors import TaskCancelled, TaskFailed
from duly.domain.state import State
from duly.domain.task import Task, TaskId
from duly.engine.handlers import TaskType
from duly.engine.tasks import Tasks

R = TypeVar("R")

LONG = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Handle(Generic[R]):
    """Asks after one task. ``id`` can be kept and looked up again with ``Duly.handle``."""

    id: TaskId
    _tasks: Tasks
    _type: TaskType | None

    async def task(self) -> Task:
        """The whole task as it is now. Raises TaskNotFound, TaskPurged."""
        return await self._tasks.get(self.id)

    async def status(self) -> State:
        """The state that the task is in now."""
        return (await self.task()).state

    async def result(self, timeout: timedelta | float | None = None) -> R:  # noqa: ASYNC109  # part of the promise
        """Wait for the task's end and return what its handler returned, as the return annotation has it.

        ``timeout`` is a timedelta or seconds; None waits for ever. Raises TimeoutError, TaskFailed, TaskCancelled.
        """
        longest = LONG if timeout is None else timeout
        if not isinstance(longest, timedelta):
            longest = timedelta(seconds=longest)
        return self._value(await self._tasks.wait(self.id, longest))

    async def cancel(self) -> Task:
        """Cancel, or ask the running task to stop. Raises IllegalMove when it has completed or failed."""
        return await self._tasks.cancel(self.id)

    async def retry(self) -> Task:
        """Run the ended task again, under the same id. Raises IllegalMove, KeyTaken."""
        return await self._tasks.retry(self.id)

    def _value(self, task: Task) -> R:
        match task.state:
            case State.COMPLETED:
                text = task.result or "null"
                value: Any = json.loads(text) if self._type is None else self._type.signature.result.validate_json(text)
                return cast(R, value)
            case State.FAILED:
                raise TaskFailed(task.id, task.reason, json.loads(task.error or "null"))
            case State.CANCELLED:
                raise TaskCancelled(task.id)
            case _:
                raise TimeoutError(f"Task {task.id} is {task.state} still.")
