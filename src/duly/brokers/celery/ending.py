"""How a Celery worker that was told to end does so in time: Celery itself waits for some longer than it must."""

import multiprocessing.connection
import time
from contextlib import suppress
from datetime import timedelta
from inspect import isgenerator
from typing import Any

from billiard.pool import WorkersJoined
from celery.worker import state
from kombu.asynchronous import get_event_loop

from duly.brokers.celery.application import RUN

SHARE = timedelta(seconds=2)
"""So much of the grace is Celery's, a third at most: its children end, then the connections, then the worker."""

LOOK = 0.1
"""In seconds."""


def grace_of_tasks(grace: timedelta) -> timedelta:
    """What is left of a worker's grace for its processes, to let tasks end and to put them back."""
    return grace - min(SHARE, grace / 3)


def read_results(pool: Any, until: float) -> None:
    """Take what the children of a pool that was closed tell, until none does anything any more, or until then.

    The pool would wait half a second for each child that has nothing to tell, one after the other, before it saw what
    the last one tells (``_flush_outqueue`` in celery/concurrency/asynpool.py). Blocks; the time is monotonic.
    """
    hub = get_event_loop()
    if hub is None:  # then a thread of the pool's reads
        return
    while pool._cache and time.monotonic() < until:  # noqa: SLF001  # there is no public way
        for child in multiprocessing.connection.wait(list(pool._fileno_to_outq), LOOK):  # noqa: SLF001
            _read(hub, child)
        hub.fire_timers()  # heartbeats
        with suppress(WorkersJoined):
            pool._join_exited_workers(shutdown=True)  # noqa: SLF001  # of one that was killed no result will come


def others_run() -> bool:
    """Whether the worker runs Celery tasks that are not Duly's: nobody set a limit to them."""
    return any(request.name != RUN for request in tuple(state.active_requests))


def _read(hub: Any, child: Any) -> None:
    """What the hub itself does: a message that was read in part is in a generator."""
    callback, arguments = hub.readers.get(child, (None, ()))
    if isgenerator(callback):
        next(callback, None)
    elif callback is not None:
        callback(*arguments)
