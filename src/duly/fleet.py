"""What makes a Celery worker run Duly's tasks: one Celery task, and a bootstep that opens Duly in its processes."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from multiprocessing import process
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery, Task, bootsteps, signals

from duly.assembly_worker import served
from duly.brokers.celery.application import RUN, address_of, celery_application, queues_of
from duly.brokers.celery.ending import grace_of_tasks, others_run, read_results
from duly.domain.errors import Misconfigured
from duly.domain.task import TaskId
from duly.engine.outlived import end_at, within
from duly.settings import Settings
from duly.station import Post, Standing, Station
from duly.telemetry.lines import log_lines
from duly.telemetry.log import set_up
from duly.telemetry.tracing import trace_processors

DRAIN = signal.SIGUSR2
"""Tells a child of a Celery worker that the worker is shutting down."""

PREFORK, THREADS, SOLO = "celery.concurrency.prefork", "celery.concurrency.thread", "celery.concurrency.solo"

RAN, NOTHING, REFUSED = "ran", "nothing to run", "refused"
"""What the Celery task returns, for Celery's log and Flower. What became of the task itself, Duly tells."""


def celery_fleet(app: Standing, settings: Settings, name: str) -> Celery:
    """A Celery application whose workers run the app's tasks. Raises Misconfigured."""
    celery = celery_application(address_of(settings.broker_url), name)
    fleet = Fleet(app, settings, celery)
    celery.duly_fleet = fleet
    celery.steps["worker"].add(OpenDuly)

    @celery.task(name=RUN, bind=True, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run(task: Task, task_id: str, queue: str) -> str:
        """Claim one of Duly's tasks and run it."""
        return fleet.run(task_id, queue, task.request.id)

    signals.celeryd_init.connect(_stay_importable, weak=False)
    signals.celeryd_init.connect(fleet.name_queues, weak=False)
    signals.setup_logging.connect(fleet.set_up_log, weak=False)
    signals.worker_process_init.connect(fleet.open_in_child, weak=False)
    signals.worker_shutting_down.connect(fleet.drain, weak=False)
    return celery


class OpenDuly(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Opens Duly, with its relay, where the tasks run: in the pool's children, or in the worker itself."""

    requires = ("celery.worker.components:Pool",)  # so this ends before the pool, which waits for what runs

    def __init__(self, parent: Any, **_: object) -> None:
        self._fleet: Fleet = parent.app.duly_fleet
        self._fleet.join(parent)

    def start(self, _: Any) -> None:
        """The pool has started."""
        self._fleet.open_here()

    def close(self, _: Any) -> None:
        """The worker begins to end: ask everybody to drain."""
        self._fleet.drain()
        self._fleet.end_in_time()

    def stop(self, _: Any) -> None:
        """Wait until all is drained."""
        self._fleet.close()

    def terminate(self, _: Any) -> None:
        """The worker waits for nothing: what runs is found by its lease."""


class Fleet:
    """One Celery worker's side of Duly. Before a fork it only remembers; what connects is made in a Station."""

    def __init__(self, app: Standing, settings: Settings, celery: Celery) -> None:
        self._app = app
        self._settings = settings
        self._celery = celery
        self._worker: Any = None
        self._station: Station | None = None
        self._process = process.current_process()
        self._asked_at: float | None = None
        """When the worker was told to end (monotonic)."""

    def name_queues(self, instance: Any, **_: object) -> None:
        """Celery worker about to be set up: without -Q it listens to all that the handlers name."""
        if instance.app is self._celery:
            self._celery.conf.task_queues = queues_of(served(self._settings, self._app.handlers))

    def join(self, worker: Any) -> None:
        """A worker is set up, nothing of it runs yet. Raises Misconfigured."""
        if _pool_of(worker) not in (PREFORK, THREADS, SOLO):
            raise Misconfigured("Duly runs in Celery's pools prefork, threads and solo, not in this one.")
        self._worker = worker

    def set_up_log(self, loglevel: int, logfile: str | None, **_: object) -> None:
        """Every line of this process, Celery's too, in Duly's form; level and file are Celery's options."""
        stream = Path(logfile).open("a", encoding="utf-8") if logfile else sys.stderr  # noqa: SIM115  # for good
        set_up(self._settings.log_format, logging.getLevelName(loglevel).lower(), stream, trace_processors())

    def open_here(self) -> None:
        """Open Duly in the worker's own process, where that is where tasks run."""
        if _pool_of(self._worker) != PREFORK:
            self._open(1 if _pool_of(self._worker) == SOLO else self._worker.concurrency)

    def open_in_child(self, **_: object) -> None:
        """A child was forked. It must answer its parent soon, so nothing is waited for."""
        if self._worker is None or _pool_of(self._worker) != PREFORK:
            return
        _may_have_processes(self._process)
        station = self._open(1)
        signal.signal(DRAIN, lambda *_: station.drain())
        signals.worker_process_shutdown.connect(self.end_child, weak=False)  # after all others that were there before

    def run(self, task_id: str, queue: str, celery_id: str) -> str:
        """Run this task to its attempt's end, if it still waits."""
        if self._station is None:
            raise Misconfigured(f"{RUN} runs in a Celery worker alone.")
        try:
            id_ = TaskId(UUID(task_id))
        except ValueError:
            log_lines()("hint.refused", {"queue": queue, "cause": "an id that no task has"})
            return REFUSED
        return RAN if self._station.take(queue, id_, celery_id) else NOTHING

    def drain(self, **_: object) -> None:
        """Nothing new is begun; what runs may end, else it is put back. Another time nothing happens."""
        self._asked_at = self._asked_at or time.monotonic()
        if self._station is not None:
            self._station.drain()
        elif self._worker is not None and self._worker.pool is not None:
            for child in self._worker.pool.info["processes"]:
                with suppress(ProcessLookupError):
                    os.kill(child, DRAIN)

    def end_in_time(self) -> None:
        """The worker is gone once its grace is over, and its children with it, by Celery's own doing."""
        end_at(self._after(within(self._settings.grace)), log_lines(), unless=others_run)

    def close(self) -> None:
        """Wait for the end of what runs here, or in the children."""
        if self._station is not None:
            self._station.close()
        elif self._worker.pool is not None:
            read_results(self._worker.pool._pool, self._after(grace_of_tasks(self._settings.grace)))  # noqa: SLF001
        gc.freeze()  # else Python looks through all that was ever imported before it exits: half a second and more

    def end_child(self, exitcode: int, **_: object) -> None:
        """A child ends, by itself or with its worker. The pool would have it sleep for a second before."""
        assert self._station is not None  # noqa: S101  # opened before this is connected
        self._station.close()
        os._exit(exitcode)

    def _after(self, grace: timedelta) -> float:
        """When this time has gone by since the worker was told to end (monotonic)."""
        return (self._asked_at or time.monotonic()) + grace.total_seconds()

    def _open(self, slots: int) -> Station:
        queues = tuple(self._celery.amqp.queues.consume_from)
        resort = self._revoke if _pool_of(self._worker) == PREFORK else None
        post = Post(queues=queues, slots=slots, last_resort=resort)
        settings = self._settings.model_copy(update={"grace": grace_of_tasks(self._settings.grace)})
        self._station = Station(self._app, settings, post, log_lines())
        self._station.start()
        return self._station

    async def _revoke(self, celery_id: str) -> None:
        """Have the worker kill the child in which this runs, and take leave of the id."""
        where = [self._worker.hostname]
        await asyncio.to_thread(
            self._celery.control.revoke, celery_id, terminate=True, signal="SIGKILL", destination=where
        )


def _stay_importable(**_: object) -> None:
    """Celery takes the current folder off the path once it has the app; handlers' own processes need it still."""
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)


def _may_have_processes(own: process.BaseProcess) -> None:
    """For handlers that run in a process, which ends with this one.

    Celery's children have a process object of billiard's: a daemon, whose key cannot be handed on. The standard
    library's own takes its place.
    """
    own.name = process.current_process().name
    process._current_process = own  # type: ignore[attr-defined]  # noqa: SLF001  # there is no public way


def _pool_of(worker: Any) -> str:
    return str(worker.pool_cls.__module__)
