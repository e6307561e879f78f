"""Many workers in one process, each with connections, a lease keeper and a name of its own.

Run: python -m benchmarks.fleet.crowded COUNT
"""

import asyncio
import signal
import sys
from contextlib import suppress

from benchmarks.fleet.app import duly as app

from duly.assembly_worker import run_worker
from duly.domain.errors import StoreUnavailable
from duly.settings import Settings

APART = 0.2


async def crowd(count: int) -> None:
    """Run so many workers until SIGTERM."""
    stop, settings = asyncio.Event(), Settings()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one(settings, stop))
            await asyncio.sleep(APART)  # their rounds begin at different times, as those of processes do


async def one(settings: Settings, stop: asyncio.Event) -> None:
    """Run a worker, also when a busy machine gives it no connection at first."""
    while not stop.is_set():
        with suppress(StoreUnavailable):
            await run_worker(settings, app.handlers, stop)


if __name__ == "__main__":
    asyncio.run(crowd(int(sys.argv[1])))
