"""A real worker and everything that stands around it, on a store in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from duly.domain.event import TaskEvent
from duly.domain.state import State
from duly.domain.task import Task, TaskId, WorkerId
from duly.engine.background import in_background
from duly.engine.bell import LocalBell
from duly.engine.crowd import Crowd
from duly.engine.handlers import Handlers
from duly.engine.herald import Herald
from duly.engine.ids import Ids
from duly.engine.intake import Intake
from duly.engine.landscape import Landscape
from duly.engine.limits import Limits
from duly.engine.loop import every
from duly.engine.meter import Meter
from duly.engine.parts import Parts
from duly.engine.reads import Reads
from duly.engine.submission import Submission
from duly.engine.sweep import Sweeper
from duly.engine.tasks import Tasks
from duly.engine.tools import LastResort
from duly.engine.worker import Opening, Worker
from duly.engine.workshop import WorkerOptions, WorkerParts
from duly.ports.store import Store
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.telemetry.tally import PlainTally
from tests.support.telling import Told

LONG = timedelta(seconds=60)
"""No test waits for anything longer."""

_numbers = count(1)


async def becomes_true(condition: Callable[[], bool]) -> None:
    """Wait for what nothing rings for; fails after twenty seconds."""
    async with asyncio.timeout(LONG.total_seconds()):
        while not condition():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.005)


class RealClock:
    """The machine's own time; ``ahead`` moves it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Stage:
    """Tasks may be submitted to it; ``working`` opens workers on it."""

    def __init__(self, store: Store, handlers: Handlers, lease: timedelta, limits: Limits) -> None:
        self.store = store
        self.handlers = handlers
        self.lease = lease
        self.limits = limits
        self.bell = LocalBell()
        self.told = Told()
        self.meter = Meter("stage")
        self.herald = Herald(self.bell, None)
        self.sweeper = Sweeper(store, self.herald, lease, self.told)
        parts = Parts(
            store=store,
            reads=Reads(store.tasks, None, timedelta(), self.told),
            bell=self.bell,
            herald=self.herald,
            handlers=handlers,
            limits=limits,
            ids=Ids(),
            meter=self.meter,
            patience=timedelta(seconds=1),
            poll_interval=timedelta(milliseconds=10),
        )
        self.tasks = Tasks(parts, Landscape(store))

    async def sweep(self) -> None:
        await self.sweeper.step()

    async def submit(self, type_name: str, payload: object = None, **given: Any) -> TaskId:
        wanted = Submission(type=type_name, payload={} if payload is None else payload, **given)
        return (await self.tasks.submit(wanted)).task.id

    async def ended(self, task_id: TaskId) -> Task:
        """The task once it is final."""
        task = await self.tasks.wait(task_id, LONG)
        assert task.final, f"it is {task.state} still: {task}"
        return task

    async def ran(self, type_name: str, payload: object = None, **given: Any) -> Task:
        """Submit, and wait for the end."""
        return await self.ended(await self.submit(type_name, payload, **given))

    async def now(self, task_id: TaskId) -> Task:
        return (await self.store.tasks.get([task_id]))[task_id]

    async def until(self, task_id: TaskId, state: State) -> Task:
        """The task once it is in this state."""
        return await self._once(task_id, lambda task: task.state is state)

    async def noted(self, task_id: TaskId, note: str) -> Task:
        """The task once its progress has this note."""
        return await self._once(task_id, lambda task: note in (task.progress or ""))

    async def renewed(self, task_id: TaskId) -> Task:
        """The task once its lease is another than it is now."""
        lease = (await self.now(task_id)).lease_until
        return await self._once(task_id, lambda task: task.lease_until != lease)

    async def _once(self, task_id: TaskId, fits: Callable[[Task], bool]) -> Task:
        task = await self.now(task_id)
        async with asyncio.timeout(LONG.total_seconds()):
            while not fits(task):
                await asyncio.sleep(0.005)  # nothing rings when a store has changed
                task = await self.now(task_id)
        return task

    async def events(self, task_id: TaskId) -> list[TaskEvent]:
        return await self.store.history.events(task_id)

    async def kinds(self, task_id: TaskId) -> list[str]:
        return [event.kind.value for event in await self.events(task_id)]


@dataclass(frozen=True, slots=True)
class Working:
    """A worker at work."""

    id: WorkerId
    stop: asyncio.Event
    _run: "asyncio.Task[bool]"

    async def stopped(self) -> bool:
        """Stop it, and wait for its end. Whether it asks to be replaced."""
        self.stop.set()
        return await self.end()

    async def end(self) -> bool:
        """Wait for its end."""
        async with asyncio.timeout(LONG.total_seconds()):
            return await self._run


@asynccontextmanager
async def a_stage(
    handlers: Handlers,
    store: Store | None = None,
    *,
    lease: timedelta = timedelta(seconds=30),
    limits: Limits | None = None,
    sweeping: bool = True,
) -> AsyncIterator[Stage]:
    """Open for submits, with somebody who sweeps."""
    stage = Stage(store or MemoryStore(MemoryDatabase(), RealClock()), handlers, lease, limits or Limits())
    work = [stage.tasks.run()]
    if sweeping:
        work.append(every(timedelta(milliseconds=50), stage.sweep, "sweep", stage.told))
    async with in_background(stage.told, *work):
        yield stage


@asynccontextmanager
async def a_worker(
    stage: Stage,
    *,
    handlers: Handlers | None = None,
    lease_store: Store | None = None,
    intake: Opening = Intake,
    last_resort: LastResort | None = None,
    **given: Any,
) -> AsyncIterator[Working]:
    """A worker at work until the context closes; ``lease_store`` is what its lease keeper opens."""
    options = WorkerOptions(**(_OPTIONS | {"lease": stage.lease} | given))
    id_ = WorkerId(f"worker-{next(_numbers)}")

    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield lease_store or stage.store

    crowd = Crowd()
    parts = WorkerParts(
        store=stage.store,
        open_store=open_store,
        joined=None,
        handlers=stage.handlers if handlers is None else handlers,
        limits=stage.limits,
        bell=stage.bell,
        herald=stage.herald,
        broker=None,
        meter=stage.meter,
        tally=PlainTally(),
        sweeper=stage.sweeper,
        crowd=crowd,
        lookers=crowd,
        emit=stage.told,
        bind=lambda _: None,
        id=id_,
        last_resort=last_resort,
    )
    stop = asyncio.Event()
    run = asyncio.create_task(Worker(parts, options, intake).run(stop))
    try:
        yield Working(id_, stop, run)
    finally:
        stop.set()
        async with asyncio.timeout(LONG.total_seconds()):
            await asyncio.wait([run])
    if not run.cancelled():
        run.result()


@asynccontextmanager
async def at_work(handlers: Handlers, store: Store | None = None, **given: Any) -> AsyncIterator[Stage]:
    """A stage with one worker."""
    about_stage = {name: given.pop(name) for name in ("lease", "limits", "sweeping") if name in given}
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(handlers, store, **about_stage))
        await stack.enter_async_context(a_worker(stage, **given))
        yield stage


_OPTIONS: dict[str, Any] = {
    "queues": ("default",),
    "slots": 10,
    "grace": timedelta(milliseconds=100),
    "poll_interval": timedelta(milliseconds=50),
    "stall_warning": timedelta(seconds=5),
    "stall_limit": timedelta(minutes=5),
    "max_tasks": None,
    "max_memory": None,
    "version": "0.1.0",
}
