"""Many workers in one process, each with a lease keeper and a name of its own.

Run: python -m benchmarks.fleet.crowded COUNT [--shared]

Each has connections and a bell of its own, unless it is told to share those of the process.
"""

import asyncio
import signal
import sys
from contextlib import suppress

from benchmarks.fleet.app import duly as app

from duly.assembly import open_core
from duly.assembly_worker import run_worker, work
from duly.domain.errors import StoreUnavailable
from duly.settings import Settings
from duly.starting import use_log

APART = 0.2


async def crowd(count: int, shared: bool) -> None:
    """Run so many workers until SIGTERM."""
    stop, settings = asyncio.Event(), Settings()
    use_log(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await (sharing(count, settings, stop) if shared else apart(count, settings, stop))


async def sharing(count: int, settings: Settings, stop: asyncio.Event) -> None:
    """Workers on one store, one bell and one set of rounds."""
    async with open_core(settings, app.handlers) as core, asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(work(core, stop))
            await asyncio.sleep(APART)  # their rounds begin at different times, as those of processes do


async def apart(count: int, settings: Settings, stop: asyncio.Event) -> None:
    """Workers that share the interpreter alone."""
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one(settings, stop))
            await asyncio.sleep(APART)


async def one(settings: Settings, stop: asyncio.Event) -> None:
    """Run a worker, also when a busy machine gives it no connection at first."""
    while not stop.is_set():
        with suppress(StoreUnavailable):
            await run_worker(settings, app.handlers, stop)


if __name__ == "__main__":
    asyncio.run(crowd(int(sys.argv[1]), "--shared" in sys.argv[2:]))
