"""The tour, with two tasks more: one that leaves a record outside Duly, and one that kills its own worker."""

import os
import signal

from benchmarks.job.record import record as write_down

from duly import Context
from tour.app import duly

__all__ = ["duly"]


@duly.task(name="job.record")
async def record(ctx: Context, number: int) -> int:
    """Append a line when it starts and one when it ends, each written whole."""
    write_down("start", ctx)
    write_down("end", ctx)
    return number


@duly.task(name="job.poison")
async def poison() -> None:
    """Kill the process that runs it."""
    os.kill(os.getpid(), signal.SIGKILL)
