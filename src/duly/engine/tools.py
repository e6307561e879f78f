"""What running a task takes, put together once for a worker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from duly.domain.task import Task
from duly.engine.handlers import Runnable
from duly.engine.lease import LeaseKeeper
from duly.engine.limits import Limits
from duly.engine.meter import Meter
from duly.engine.process import Processes
from duly.engine.settle import Settler
from duly.engine.threads import Threads
from duly.ports.store import Store
from duly.ports.telemetry import Emit

LastResort = Callable[[], Awaitable[None]]
"""Has this process ended, in which nothing else runs, because a handler does not end that was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What running a task takes."""

    store: Store
    handlers: Runnable
    limits: Limits
    settler: Settler
    keeper: LeaseKeeper
    processes: Processes
    threads: Threads
    meter: Meter
    emit: Emit
    lease: timedelta
    parting: timedelta
    """A handler in the event loop or in a thread has so long to end when its worker stops."""
    bind: Callable[[Task], None]
    """Puts the task on every log line of the current context."""
    last_resort: LastResort | None
    posts: bool
    """Whether an attempt that has returned leaves its settle to whoever writes it, and ends; else it waits for that."""
