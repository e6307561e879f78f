"""Everything that may be asked of tasks from outside: submit, look, cancel, retry, delete."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Coroutine, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any

from duly.domain import story
from duly.domain.errors import (
    IllegalMove,
    StoreUnavailable,
    TaskNotFound,
    TaskPurged,
    UnknownType,
)
from duly.domain.event import TaskEvent
from duly.domain.fact import CancelAsked, Fact, RetriedByHand
from duly.domain.query import Page, TaskQuery
from duly.domain.state import State
from duly.domain.task import Task, TaskId
from duly.domain.transition import decide
from duly.engine.gather import Gather
from duly.engine.landscape import Landscape, Waiting
from duly.engine.parts import Parts
from duly.engine.redrive import Redriven, redrive
from duly.engine.submission import Submission, payload_text
from duly.engine.submitting import Accepted, Submitting
from duly.engine.traced import TracedSubmitting
from duly.engine.watch import Watcher
from duly.ports.once import OnceKey

_ROUNDS = 20
"""So often a decision that lost its race is made anew before the caller is told to come back."""


class Unchanged(Enum):
    """Stands for a payload that is not replaced (None is a payload)."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


class Tasks:
    """Submits gather into shared commits and reads into shared selects. ``run`` must be running."""

    def __init__(self, parts: Parts, landscape: Landscape) -> None:
        self._parts = parts
        self._store = parts.store
        self._landscape = landscape
        self._submitting = _submitting(parts)
        self._reading = Gather[TaskId, Task | None](parts.reads.look, lambda _: 0)
        self._watcher = Watcher(self._store.tasks.get, parts.bell, parts.poll_interval)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._submitting.run())
            group.create_task(self._reading.run())
            group.create_task(self._watcher.run())

    def make(self, wanted: Submission) -> Task:
        """The task that this submission becomes, checked but not stored. Raises Invalid, UnknownType, TooLarge."""
        return self._submitting.make(wanted)

    def submit(self, wanted: Submission, once: OnceKey | None = None) -> Coroutine[Any, Any, Accepted]:
        """To be awaited, and no coroutine of its own, since every submit passes here: commit the task and say so.

        Raises what ``make`` raises, QueueFull, StoreUnavailable (outcome unknown). With a name of the client's for this
        submit, what was accepted under it before is given again. Raises KeyReused, TaskPurged, and KeyInFlight when an
        open transaction holds this key or the task's for too long.
        """
        return self._submitting.submit(wanted, once)

    async def submit_many(
        self, wanted: Sequence[Submission], once: OnceKey | None = None, within: Collection[str] | None = None
    ) -> list[Accepted]:
        """Commit all in one transaction or none. Raises as ``submit`` does; flaws point below ``/tasks/N``.

        Raises KeyTaken when a task of a queue that is not ``within`` these holds a key.
        """
        return await self._submitting.submit_many(wanted, once, within)

    def announce(self, task: Task) -> None:
        """Tell idle workers of a task that was committed."""
        self._submitting.announce(task)

    async def get(self, task_id: TaskId, seen: tuple[int, int] = (0, 0)) -> Task:
        """The task as it is, at most a second old and never older than what was ``seen`` (version, progress_seq).

        Raises TaskNotFound, TaskPurged.
        """
        task = await self._reading(task_id) or await self._missing(task_id)
        return task if (task.version, task.progress_seq) >= seen else await self._fresh(task_id)

    async def wait(self, task_id: TaskId, longest: timedelta) -> Task:
        """The task once it is final, or as it is after ``longest``. Raises TaskNotFound, TaskPurged."""
        return await self.ended(await self.get(task_id), longest)

    async def ended(self, task: Task, longest: timedelta) -> Task:
        """The same, for somebody who has the task as it was a moment ago. Raises TaskNotFound, TaskPurged."""
        if task.final or longest <= timedelta():
            return task
        return await self._watcher.final(task.id, longest) or await self.get(task.id)

    async def follow(self, task: Task, seen: tuple[int, int], silence: timedelta) -> AsyncGenerator[Task | None, None]:
        """The task each time it is newer than what was ``seen`` (version and progress_seq); None after each silence.

        What a slow reader did not fetch in time is skipped, the final state never. Ends after that, when the task is
        gone, and when nobody may wait any more.
        """
        while True:
            if (task.version, task.progress_seq) > seen:
                yield task
                seen = (task.version, task.progress_seq)
            if task.final:
                return
            newer = await self._watcher.newer(task.id, *seen, silence)
            if self._watcher.closed:
                return
            if newer is None:
                yield None
            try:
                task = newer or await self.get(task.id, seen)
            except StoreUnavailable:
                continue
            except (TaskNotFound, TaskPurged):
                return

    def release(self) -> None:
        """Let all go who wait for a task or follow one, and let nobody wait from now on: the service is to close."""
        self._watcher.close()

    async def page(self, query: TaskQuery) -> Page:
        """One page of tasks, newest first. From a replica it may be some moments old."""
        return await (self._parts.lists or self._store.tasks).page(query)

    async def cancel(self, task_id: TaskId) -> Task:
        """Cancel, or ask a running task to stop (``cancelling``). Again: the same answer. Raises IllegalMove."""
        task = await self._move(task_id, CancelAsked())
        if task.final:
            self._parts.herald.changed(task)
        else:
            self._parts.herald.cancel_asked(task)
        return task

    async def retry(self, task_id: TaskId, payload: object = UNCHANGED) -> Task:
        """Run it again from the start, under the same id. Raises IllegalMove, KeyTaken, Invalid, UnknownType."""
        text = None if payload is UNCHANGED else await self._replacement(task_id, payload)
        async with self._parts.reads.leaving(task_id):
            task = await self._move(task_id, RetriedByHand(text))
        self._parts.herald.changed(task)
        return task

    async def redrive(self, query: TaskQuery) -> Redriven:
        """Retry up to ``query.limit`` of the failed or cancelled tasks that fit, newest first; counted exactly."""
        return await redrive(self._parts, query)

    async def delete(self, task_id: TaskId) -> None:
        """Delete a final task; its id answers TaskPurged from then on. Raises IllegalMove unless it is final."""
        for _ in range(_ROUNDS):
            task = await self._fresh(task_id)
            if not task.final:
                raise IllegalMove(task_id, task.state, "deleted")
            async with self._parts.reads.leaving(task_id):
                if await self._store.history.delete(task):
                    return
        raise StoreUnavailable("The task changes too often to be deleted now.")

    async def story(self, task_id: TaskId) -> list[TaskEvent]:
        """All that happened to the task, oldest first."""
        task = await self._fresh(task_id)  # before its events: an event that is not there yet is none that is missing
        return story.tell(task, await self._store.history.events(task_id))

    async def waiting(self, tasks: Sequence[Task]) -> list[Waiting | None]:
        """Why each of these is not running yet, in their order; None of those that run or are final."""
        if all(task.state is not State.PENDING and task.state is not State.SCHEDULED for task in tasks):
            return [None] * len(tasks)
        view = await self._landscape.view()
        return [view.waiting(task) for task in tasks]

    async def _replacement(self, task_id: TaskId, payload: object) -> str:
        task = await self._fresh(task_id)
        known = self._parts.handlers.find(task.type)
        if known is None:
            raise UnknownType(task.type)
        return payload_text(payload, known, self._parts.limits)

    async def _move(self, task_id: TaskId, fact: Fact) -> Task:
        for _ in range(_ROUNDS):
            task = await self._fresh(task_id)
            change = decide(task, fact, self._store.clock.now())
            if change is None:
                return task
            if not await self._store.tasks.apply([change]):
                return change.after
        raise StoreUnavailable("The task changes too often to be moved now.")

    async def _fresh(self, task_id: TaskId) -> Task:
        return await self._parts.reads.fresh(task_id) or await self._missing(task_id)

    async def _missing(self, task_id: TaskId) -> Task:
        if task_id in await self._store.history.purged([task_id]):
            raise TaskPurged(task_id)
        raise TaskNotFound(task_id)


def _submitting(parts: Parts) -> Submitting | TracedSubmitting:
    submitting = Submitting(parts)
    return submitting if parts.tracing is None else TracedSubmitting(submitting, parts.tracing)
