"""Waiting for tasks to end or to change: one look at the database for all who wait, however many they are."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from duly.domain.errors import StoreUnavailable
from duly.domain.task import Task, TaskId
from duly.ports.bell import Bell, Ear, task_topic
from duly.ports.store import MAX_BATCH

SOON = 0.01
"""In seconds. Who begins to wait has seen the task a moment ago: a look at once would mostly see it as it was."""

Look = Callable[[Collection[TaskId]], Awaitable[Mapping[TaskId, Task]]]


Wanted = Callable[[Task], bool]


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """Somebody who waits until a task is as wanted."""

    wanted: Wanted
    future: "asyncio.Future[Task | None]"


class Watcher:
    """Hands waiting readers their task once it is as they want it. ``run`` must be running."""

    def __init__(self, look: Look, bell: Bell, poll_interval: timedelta) -> None:
        self._look = look
        self._bell = bell
        self._poll_interval = poll_interval
        self._waiting: defaultdict[TaskId, set[_Reader]] = defaultdict(set)
        self._rung: set[TaskId] = set()
        """To be looked at now; every poll interval, all that are waited for are."""
        self._soon: set[TaskId] = set()
        """To be looked at a moment later: somebody has begun to wait, and the bell may have rung just before."""
        self._wake = asyncio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody may wait any more."""
        return self._closed

    def close(self) -> None:
        """Let all who wait go, with nothing, and whoever comes later too."""
        self._closed = True
        for reader in self._readers(list(self._waiting)):
            reader.future.set_result(None)

    async def final(self, task_id: TaskId, longest: timedelta) -> Task | None:
        """The task once it is final; None after ``longest``, when the task is gone, or when this closes."""
        return await self._when(task_id, lambda task: task.final, longest)

    async def newer(self, task_id: TaskId, version: int, progress_seq: int, longest: timedelta) -> Task | None:
        """The task once it is newer than that; None as ``final`` has it."""
        return await self._when(
            task_id, lambda task: (task.version, task.progress_seq) > (version, progress_seq), longest
        )

    async def _when(self, task_id: TaskId, wanted: Wanted, longest: timedelta) -> Task | None:
        if self._closed:
            return None
        reader = _Reader(wanted, asyncio.get_running_loop().create_future())
        self._waiting[task_id].add(reader)
        self._look_soon_at(task_id)
        try:
            with self._bell.listen([task_topic(task_id)]) as ear:
                return await self._first(reader.future, partial(self._hear, ear, task_id, longest), longest)
        finally:
            self._waiting[task_id].discard(reader)
            if not self._waiting[task_id]:
                del self._waiting[task_id]

    async def run(self) -> None:
        """Look for those that are waited for, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._look_while_waited_for()
        finally:
            self.close()

    async def _look_while_waited_for(self) -> None:
        loop = asyncio.get_running_loop()
        again_at = loop.time() + self._poll_interval.total_seconds()
        while self._waiting:
            if loop.time() >= again_at:
                self._rung.update(self._waiting)
                again_at = loop.time() + self._poll_interval.total_seconds()
            await self._pass()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(again_at):
                    await self._wake.wait()
            self._wake.clear()

    def _look_soon_at(self, task_id: TaskId) -> None:
        if not self._soon:
            asyncio.get_running_loop().call_later(SOON, self._look_at_those)
        self._soon.add(task_id)

    def _look_at_those(self) -> None:
        self._rung |= self._soon
        self._soon.clear()
        self._wake.set()

    def _look_at(self, task_id: TaskId) -> None:
        self._rung.add(task_id)
        self._wake.set()

    async def _hear(self, ear: Ear, task_id: TaskId, longest: timedelta) -> None:
        while await ear.wait(longest):
            self._look_at(task_id)

    async def _first(
        self, future: "asyncio.Future[Task | None]", hear: Callable[[], Coroutine[None, None, None]], longest: timedelta
    ) -> Task | None:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(hear())
            await asyncio.wait([future], timeout=longest.total_seconds())
            listening.cancel()
        return future.result() if future.done() else None

    async def _pass(self) -> None:
        ids = [task_id for task_id in self._rung if task_id in self._waiting]
        self._rung.clear()
        for start in range(0, len(ids), MAX_BATCH):
            part = ids[start : start + MAX_BATCH]
            try:
                found = await self._look(part)
            except StoreUnavailable:
                continue
            except Exception as error:  # noqa: BLE001  # the top of a loop: a fault is the readers' to see, not its end
                for reader in self._readers(part):
                    reader.future.set_exception(error)
                continue
            for task_id in part:
                self._answer(task_id, found.get(task_id))

    def _answer(self, task_id: TaskId, task: Task | None) -> None:
        for reader in self._readers([task_id]):
            if task is None or reader.wanted(task):
                reader.future.set_result(task)

    def _readers(self, ids: Collection[TaskId]) -> list[_Reader]:
        """Those who wait for these tasks still."""
        return [reader for id_ in ids for reader in self._waiting.get(id_, ()) if not reader.future.done()]
