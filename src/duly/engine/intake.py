"""Claiming: one intake per worker process takes tasks for all its free slots."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from duly.domain.errors import StoreUnavailable
from duly.domain.families import CLAIM_SIZE, CLAIM_TIME, CLAIMS_EMPTY
from duly.domain.task import Task, TaskId, WorkerId
from duly.engine.crowd import Crowd
from duly.engine.eager import Eager
from duly.engine.hints import Hints
from duly.engine.pace import Pace
from duly.engine.slot import Held, Slot, Start
from duly.ports.bell import Bell, Ear, queue_topic
from duly.ports.broker import Broker
from duly.ports.store import MAX_BATCH, Renewal, Store
from duly.ports.telemetry import Emit, Tally

AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What an intake asks for."""

    queues: Sequence[str]
    slots: int
    worker: WorkerId
    lease: timedelta
    poll_interval: timedelta


class Around(Protocol):
    """What an intake works with."""

    @property
    def store(self) -> Store:
        """Where it claims."""
        ...

    @property
    def bell(self) -> Bell:
        """Wakes it."""
        ...

    @property
    def broker(self) -> Broker | None:
        """Gives it hints, if there is one."""
        ...

    @property
    def lookers(self) -> Crowd:
        """Says how many look when nothing wakes them."""
        ...

    @property
    def tally(self) -> Tally:
        """Counts its claims."""
        ...

    @property
    def emit(self) -> Emit:
        """Is told what goes wrong."""
        ...


class Intake:
    """Claims as many tasks as there are free slots, one queue after the other, each pass beginning with another.

    A slot is free again only when its attempt is settled or refused. ``run`` ends when ``close`` was called and all
    attempts have ended.
    """

    def __init__(self, around: Around, demand: Demand, start: Start) -> None:
        self._store = around.store
        self._bell = around.bell
        self._broker = around.broker
        self._lookers = around.lookers
        self._tally = around.tally
        self._emit = around.emit
        self._demand = demand
        self._start = start
        self._queues = list(demand.queues)
        self._attempts = Eager(self._broke)
        self._taken: set[Slot] = set()
        self._broken: set[Held] = set()
        """Claims whose attempt ended by a fault of ours: their lease will run out, and they begin no second time."""
        self._wake = asyncio.Event()
        self._closed = False
        self._unsure = False
        self._rung = False
        self._pace = Pace()
        self._hints: Hints | None = None
        self._looking = True
        """Whether the next pass looks in the database, hints or no hints: an idle worker does so every now and then."""
        self.started = 0
        """Attempts started since the beginning."""

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self._taken)

    def close(self) -> None:
        """Claim no more."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Claim and start attempts until closed; then wait for those that run."""
        async with AsyncExitStack() as stack:
            ear = stack.enter_context(self._bell.listen([queue_topic(queue) for queue in self._queues]))
            if self._broker is not None:
                subscription = await stack.enter_async_context(self._broker.subscribe(self._queues))
                self._hints = Hints(subscription, tuple(self._queues), self._store.queues, self._emit)
            try:
                async with asyncio.TaskGroup() as group:
                    listening = [group.create_task(one) for one in self._ears(ear)]
                    while not self._closed:
                        if not await self._pass() or not self._free:
                            await self._pause()
                    for one in listening:
                        one.cancel()
                if self._unsure:
                    await self._pass()
                while self._taken:
                    self._wake.clear()
                    await self._wake.wait()
            finally:
                self._abandon()

    @property
    def _free(self) -> int:
        return max(self._demand.slots - len(self._taken), 0)

    @property
    def _share(self) -> int:
        """A third of the slots at once: while one third is claimed another runs, and the last is being settled."""
        return min((self._demand.slots + 2) // 3, MAX_BATCH)

    async def _pass(self) -> bool:
        """Claim once from each queue while slots are free. True when there may be more."""
        self._wake.clear()
        try:
            if self._unsure:
                await self._adopt()
            if not self._looking and self._hints is not None:
                return await self._follow(self._hints)
            return await self._look()
        except StoreUnavailable as error:
            self._unsure = True
            self._emit("store.unavailable", {"loop": "intake", "error": str(error)})
            return False
        except Exception as error:  # noqa: BLE001  # the top of a loop: one bad pass must not end what runs
            self._unsure = True
            self._emit("loop.failed", {"loop": "intake", "error": repr(error)})
            return False

    async def _look(self) -> bool:
        """Look in the database itself. Whether there may be more there."""
        queues = await self._worth_a_claim()
        self._looking = False
        rung, self._rung = self._rung, False
        more, started, began = False, self.started, time.monotonic()
        for queue in queues:
            if self._closed or not self._free:
                break
            more |= await self._claim(queue, min(self._free, self._share), None)
        self._pace.looked(began, self.started - started, rung=rung)
        return more

    async def _worth_a_claim(self) -> list[str]:
        """All; when only time called for this pass, those that one short look finds not empty: nearly always none."""
        queues = self._rotated()
        if not self._looking or len(queues) == 1:
            return queues
        ready = await self._store.queues.ready(queues)
        return [queue for queue in queues if queue in ready]

    async def _follow(self, hints: Hints) -> bool:
        """Claim what the broker said is ready, as far as it still is. False: there is no more of it."""
        while self._free and not self._closed and (hinted := hints.take(min(self._free, MAX_BATCH))):
            queue, ids = hinted
            await self._claim(queue, len(ids), ids)
        return False

    async def _claim(self, queue: str, limit: int, among: Sequence[TaskId] | None) -> bool:
        claimed_at = time.monotonic()
        demand = self._demand
        tasks = await self._store.tasks.claim(queue, limit, demand.worker, demand.lease, among=among)
        count_claim(self._tally, queue, len(tasks), claimed_at)
        for task in tasks:
            self._begin(task, claimed_at)
        return len(tasks) == limit

    async def _adopt(self) -> None:
        """A claim whose answer was lost may have taken tasks: find them, so that they need not be charged a crash.

        They are renewed first: an attempt that has ended here since we looked must not begin again.
        """
        claims = await self._store.roster.claims(self._demand.worker)
        own = [task for task in claims if task.queue in self._demand.queues]  # a worker may have another intake
        self._broken &= {(task.id, task.claim) for task in own}
        begun = self._broken.union(slot.held for slot in self._taken)
        lost = [task for task in own if (task.id, task.claim) not in begun]
        claimed_at = time.monotonic()
        kept = await self._store.tasks.renew([Renewal(task.id, task.claim) for task in lost], self._demand.lease)
        self._unsure = False
        for task in lost:
            if task.id in kept:
                self._begin(task, claimed_at)

    def _begin(self, task: Task, claimed_at: float) -> None:
        self.started += 1
        slot = Slot(task, self._freed)
        self._taken.add(slot)
        self._attempts.start(self._start(task, claimed_at, slot), slot)

    def _freed(self, slot: Slot) -> None:
        """A slot that is free again is a reason to look where there was none: else the last look found no more.

        Or where it found nothing although somebody had rung: a settle that was refused may have locked what was meant.
        """
        wanted = len(self._taken) >= self._demand.slots or self._unsure or self._closed or self._pace.outrun
        self._taken.remove(slot)
        if slot.broken:
            self._broken.add(slot.held)
        if wanted:
            self._wake.set()

    def _broke(self, slot: Slot, error: Exception) -> None:
        """A fault of ours costs this attempt its lease, not the worker."""
        task = slot.task
        self._emit("attempt.broken", {"task": task.id_text, "type": task.type, "error": repr(error)})
        self._broken.add(slot.held)
        slot.free()

    def _abandon(self) -> None:
        """Cancel what still runs, and wait for none of it."""
        self._attempts.close()
        for slot in self._taken:
            slot.abandon()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._lookers.stretched(self._demand.poll_interval).total_seconds()):
                await self._wake.wait()
        except TimeoutError:
            self._looking = True

    def _ears(self, ear: Ear) -> list[Coroutine[None, None, None]]:
        """With a broker its hints wake the intake; the bell is for those who have none."""
        if self._hints is None:
            return [self._listen(ear)]
        return [self._hints.run(lambda: self._free, self._wake.set, self._demand.poll_interval)]

    async def _listen(self, ear: Ear) -> None:
        while True:
            if not await ear.wait(self._demand.poll_interval):
                continue
            if pause := self._pace.pause():
                await asyncio.sleep(pause)
                await ear.wait(AT_ONCE)  # what rang meanwhile is looked for by the same look
            self._rung = True
            self._wake.set()

    def _rotated(self) -> list[str]:
        self._queues.append(self._queues.pop(0))
        return list(self._queues)


def count_claim(tally: Tally, queue: str, tasks: int, since: float) -> None:
    """A claim that began then, by the monotonic clock, took so many tasks."""
    tally.observe(CLAIM_TIME, time.monotonic() - since)
    if tasks:
        tally.observe(CLAIM_SIZE, tasks, queue)
    else:
        tally.add(CLAIMS_EMPTY, queue)
