"""The tour, with two tasks more: one that leaves a record outside Duly, and one that kills its own worker."""

import os
import signal

from duly import Context
from tour.app import duly

__all__ = ["duly"]


@duly.task(name="job.record")
async def record(ctx: Context, number: int) -> int:
    """Append a line when it starts and one when it ends, each written whole."""
    _append(f"start {ctx.task_id} {ctx.attempt}\n")
    _append(f"end {ctx.task_id} {ctx.attempt}\n")
    return number


@duly.task(name="job.poison")
async def poison() -> None:
    """Kill the process that runs it."""
    os.kill(os.getpid(), signal.SIGKILL)


def _append(line: str) -> None:
    file = os.open(os.environ["JOB_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
