"""Duly in a process that somebody else runs: an event loop in a thread of its own, with all that a worker has."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Thread
from typing import Protocol

from duly.assembly import Core, open_core
from duly.assembly_worker import worker_options, worker_parts
from duly.domain.errors import DulyError
from duly.domain.task import TaskId
from duly.engine.background import follow, in_background, unless
from duly.engine.handed import Handed
from duly.engine.handlers import Handlers
from duly.engine.intake import Around, Demand
from duly.engine.outlived import alone
from duly.engine.slot import Start
from duly.engine.worker import Worker
from duly.ports.telemetry import Emit
from duly.settings import Settings

AGAIN = timedelta(seconds=2)
"""So long after a failure to open (a database that is away) the next try begins."""

LONGEST_GOODBYE = timedelta(seconds=5)
"""Beyond the grace, where the database does not answer."""


class Standing(Protocol):
    """The application: its handlers, which may also submit where they run."""

    @property
    def handlers(self) -> Handlers:
        """What can be run."""
        ...

    def on(self, core: Core) -> AbstractContextManager[None]:
        """Stand on these parts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where a station stands."""

    queues: tuple[str, ...]
    slots: int
    last_resort: Callable[[str], Awaitable[None]] | None
    """Has this process killed, by the name of what runs in it; None where other work would die with it."""


class Station:
    """Runs the tasks that it is handed. Started once; everything it has is made in this process, after any fork."""

    def __init__(self, app: Standing, settings: Settings, post: Post, emit: Emit) -> None:
        self._app = app
        self._settings = settings.model_copy(update={"queues": post.queues, "slots": post.slots})
        self._post = post
        self._emit = emit
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._handed: Future[Handed] = Future()
        self._stop = asyncio.Event()
        self._name = ""
        self._thread = Thread(target=self._run, name="duly", daemon=True)

    def start(self) -> None:
        """Open in the background; what is handed meanwhile waits."""
        self._thread.start()

    def take(self, queue: str, task_id: TaskId, name: str) -> bool:
        """Claim this task and run it to the attempt's end. Blocks. False: there was nothing to claim, or this ends."""
        self._name = name
        try:
            return self._taking(queue, task_id).result()
        except CancelledError:
            return False

    def _taking(self, queue: str, task_id: TaskId) -> Future[bool]:
        taking = self._handed.result().take(queue, task_id)
        try:
            return asyncio.run_coroutine_threadsafe(taking, self._loop.result())
        except RuntimeError:  # it has ended already
            taking.close()
            raise CancelledError from None

    def drain(self) -> None:
        """Claim no more; what runs may go on within the grace, then it is put back. Does not wait."""
        with suppress(RuntimeError):  # it has ended already
            self._loop.result().call_soon_threadsafe(self._stop.set)

    def close(self) -> None:
        """Drain, and wait until all is closed."""
        self.drain()
        self._thread.join((self._settings.grace + LONGEST_GOODBYE).total_seconds())

    def _run(self) -> None:
        """Whoever hands it tasks would go on and have them fail, so the process ends with it, and is replaced."""
        try:
            asyncio.run(alone(self._serve()))
        except Exception as error:  # noqa: BLE001  # the top of the thread
            self._emit("station.broken", {"error": repr(error)})
            os.kill(os.getpid(), signal.SIGKILL)

    async def _serve(self) -> None:
        self._loop.set_result(asyncio.get_running_loop())
        while not self._stop.is_set():
            try:
                async with AsyncExitStack() as stack:
                    opening = stack.enter_async_context(open_core(self._settings, self._app.handlers, emit=self._emit))
                    core = await unless(self._stop, opening, self._emit)
                    if core is not None:
                        await self._stand(core)
            except DulyError as error:
                self._emit("station.unopened", {"error": str(error), "again_in": AGAIN})
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN.total_seconds()):
                        await self._stop.wait()
        if not self._handed.done():
            self._handed.cancel()

    async def _stand(self, core: Core) -> None:
        with self._app.on(core):
            async with in_background(self._emit, follow(core.service.failed, self._stop)):
                await self._work(core)

    async def _work(self, core: Core) -> None:
        resort = None if self._post.last_resort is None else self._end_process
        parts = replace(worker_parts(core), last_resort=resort)
        options = replace(worker_options(self._settings), max_tasks=None, max_memory=None)  # not ours to replace
        await Worker(parts, options, self._intake).run(self._stop)

    def _intake(self, around: Around, demand: Demand, start: Start) -> Handed:
        handed = Handed(around, demand, start)
        self._handed.set_result(handed)
        return handed

    async def _end_process(self) -> None:
        """Ask whoever runs this process to kill it; where that does not help, do it here."""
        assert self._post.last_resort is not None  # noqa: S101  # only then this is called
        try:
            async with asyncio.timeout(AGAIN.total_seconds()):
                await self._post.last_resort(self._name)
                await asyncio.Event().wait()
        except TimeoutError:
            os.kill(os.getpid(), signal.SIGKILL)
