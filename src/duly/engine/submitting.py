"""How tasks come in: checked, counted, committed once, announced."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from duly.domain.errors import (
    Flaw,
    Invalid,
    KeyInFlight,
    KeyReused,
    QueueFull,
    TaskPurged,
    TooLarge,
)
from duly.domain.task import Task, TaskId
from duly.engine.cap import QueueCap
from duly.engine.gather import Gather
from duly.engine.keyed import KeyedLane
from duly.engine.parts import Parts
from duly.engine.patience import patiently
from duly.engine.submission import Submission, to_task
from duly.ports.once import Added, OnceKey, Seen
from duly.ports.store import MAX_BATCH

IN_FLIGHT = timedelta(seconds=2)
"""So long does a submit wait for another one with its key that is still open."""

ROOM = timedelta(seconds=10)
"""So long does a submit with a key wait for its turn among those with other keys."""

MANY_FLAWS = 1_000
"""When so many of a batch are named, each further bad item is named once."""

KEYED_AT_ONCE = 4
"""Submits with a key that a process has in the database at the same time."""


class Accepted(NamedTuple):
    """A committed task. Not ``created``: its key was taken, and this is the live task that holds it.

    ``replayed``: the submit had been made before, under the same OnceKey; this is what became of it.
    """

    task: Task
    created: bool
    replayed: bool = False


class Submitting:
    """Ordinary submits gather into shared commits; those with a key have a lane of their own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._adding = Gather[Task, Task](self._add_and_tell, lambda task: len(task.payload))
        self._keyed = KeyedLane(KEYED_AT_ONCE, ROOM)
        self._cap = QueueCap(self._store.queues.depths, parts.limits.max_pending)

    async def run(self) -> None:
        """Write what gathers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._adding.run())
            group.create_task(self._adding.run())

    def make(self, wanted: Submission) -> Task:
        """See Tasks."""
        now = self._store.clock.now()
        return self._task(wanted, self._parts.ids.new(now), now)

    def _task(self, wanted: Submission, task_id: TaskId, now: datetime) -> Task:
        return to_task(wanted, self._parts.handlers, self._parts.limits, task_id, now)

    async def submit(self, wanted: Submission, once: OnceKey | None) -> Accepted:
        """See Tasks."""
        if once is not None:
            return (await self._submit_once(once, lambda: [self.make(wanted)]))[0]
        task = self.make(wanted)
        if self._cap.bounded:
            await self._cap.admit([task])
        if task.key is None:
            return Accepted(await self._adding(task), created=True)
        return self._all_accepted([task], [await self._add_keyed(task, task.key)])[0]

    async def submit_many(
        self, wanted: Sequence[Submission], once: OnceKey | None, within: Collection[str] | None
    ) -> list[Accepted]:
        """See Tasks."""
        if not 1 <= len(wanted) <= self._parts.limits.max_batch_items:
            raise TooLarge(f"A batch has 1 to {self._parts.limits.max_batch_items} tasks.")
        if once is not None:
            return await self._submit_once(once, lambda: self._make_all(wanted), within)
        tasks = self._make_all(wanted)
        await self._cap.admit(tasks)
        return self._all_accepted(tasks, await self._add(tasks, within))

    def announce(self, *tasks: Task) -> None:
        """See Tasks."""
        self._parts.meter.submitted(*tasks)
        self._parts.herald.changed(*tasks)

    async def _submit_once(
        self, once: OnceKey, make: Callable[[], list[Task]], within: Collection[str] | None = None
    ) -> list[Accepted]:
        """What was accepted under this key before is not made again, whatever would be said of it now.

        A body that fitted when it was first sent may not fit any more: its time has passed, or its handler is gone.
        """
        deadline = asyncio.get_running_loop().time() + IN_FLIGHT.total_seconds()
        try:
            async with self._keyed.turn(("once", once.scope, once.key), IN_FLIGHT) as waited:
                if waited and (seen := await self._store.once.seen(once.scope, once.key)):
                    return await self._replayed(once, seen)
                try:
                    tasks = make()
                    await self._cap.admit(tasks)
                except (Invalid, TooLarge, QueueFull):
                    if seen := await self._store.once.seen(once.scope, once.key):
                        return await self._replayed(once, seen)
                    raise
                outcome = await self._add_once(once, tasks, within, deadline)
        except TimeoutError as error:
            raise KeyInFlight(once.key) from error
        if isinstance(outcome, Seen):
            return await self._replayed(once, outcome)
        return self._all_accepted(tasks, outcome.tasks)

    async def _add_once(
        self, once: OnceKey, tasks: Sequence[Task], within: Collection[str] | None, deadline: float
    ) -> Added | Seen:
        while True:
            try:
                return await patiently(lambda: self._store.once.add(once, tasks, within=within), self._parts.patience)
            except KeyInFlight:
                if asyncio.get_running_loop().time() >= deadline:
                    raise

    async def _replayed(self, once: OnceKey, seen: Seen) -> list[Accepted]:
        if seen.fingerprint != once.fingerprint:
            raise KeyReused(once.key)
        found: dict[TaskId, Task] = {}
        for start in range(0, len(seen.ids), MAX_BATCH):
            found |= await self._store.tasks.get(seen.ids[start : start + MAX_BATCH])
        for task_id in seen.ids:
            if task_id not in found:
                raise TaskPurged(task_id)
        return [Accepted(found[task_id], created=False, replayed=True) for task_id in seen.ids]

    async def _add_keyed(self, task: Task, key: str) -> Task:
        try:
            async with self._keyed.turn(("key", task.type, key), IN_FLIGHT):
                return (await self._add([task]))[0]
        except TimeoutError as error:
            raise KeyInFlight(key) from error

    async def _add_and_tell(self, tasks: Sequence[Task]) -> list[Task]:
        """Tasks without keys: all are new. They are told of together, whoever of their callers has left meanwhile."""
        stored = await self._add(tasks)
        self.announce(*stored)
        return stored

    async def _add(self, tasks: Sequence[Task], within: Collection[str] | None = None) -> list[Task]:
        return await patiently(lambda: self._store.tasks.add(tasks, within=within), self._parts.patience)

    def _all_accepted(self, tasks: Sequence[Task], stored: Sequence[Task]) -> list[Accepted]:
        accepted = [
            Accepted(kept, kept is task or kept.id == task.id) for task, kept in zip(tasks, stored, strict=True)
        ]
        self.announce(*(one.task for one in accepted if one.created))
        return accepted

    def _make_all(self, wanted: Sequence[Submission]) -> list[Task]:
        tasks: list[Task] = []
        flaws: list[Flaw] = []
        now = self._store.clock.now()
        for index, (one, task_id) in enumerate(zip(wanted, self._parts.ids.several(now, len(wanted)), strict=True)):
            try:
                tasks.append(self._task(one, task_id, now))
            except Invalid as error:
                flaws += flaws_of_item(index, error, len(flaws))
        if flaws:
            raise Invalid("Some tasks of the batch do not fit; none was accepted.", flaws)
        return tasks


def flaws_of_item(index: int, error: Invalid, before: int) -> list[Flaw]:
    """What is wrong with one item of a batch, of which so many flaws were named before."""
    named = error.flaws if before < MANY_FLAWS else error.flaws[:1]
    return [replace(flaw, pointer=f"/tasks/{index}{flaw.pointer}") for flaw in named]
