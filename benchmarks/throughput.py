"""Throughput in one process: submit from many callers at once, then run what waits.

Run: python -m benchmarks.throughput [--url sqlite:///file.db] [--tasks 10000] [--callers 64] [--slots 100]

The database is used as it is set up; without --url it is a SQLite file in a temporary folder. The log is off, so that
its lines are not measured.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

from duly import Duly
from duly.assembly import migrate, open_core
from duly.assembly_worker import work
from duly.settings import load_settings
from duly.settings_rules import safe_url
from duly.telemetry.log import set_up

duly = Duly()


@duly.task(name="bench.echo", queue="bench")
async def echo(text: str) -> str:
    return text


async def main(url: str, tasks: int, callers: int, slots: int) -> None:
    settings = load_settings({"database_url": url, "queues": "bench", "slots": slots, "log_level": "error"})
    await migrate(settings)
    async with open_core(settings, duly.handlers) as core:
        with duly.on(core):
            print(f"{safe_url(url)}: {tasks} tasks, {callers} callers, {slots} slots")
            await submit(tasks, callers)
            await drain(core, tasks)


async def submit(tasks: int, callers: int) -> None:
    took: list[float] = []

    async def caller(count: int) -> None:
        for _ in range(count):
            begun = time.perf_counter()
            await echo.submit(text="x" * 200)
            took.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(tasks // callers + (number < tasks % callers)))
    rate = tasks / (time.perf_counter() - begun)
    cuts = statistics.quantiles(took, n=100)
    print(f"  submit     {rate:8,.0f} tasks/s   p50 {cuts[49] * 1000:6.1f} ms   p99 {cuts[98] * 1000:6.1f} ms")


async def drain(core, tasks: int) -> None:
    stop = asyncio.Event()
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(work(core, stop))
        while sum(  # noqa: ASYNC110  # what is measured must not be told when it is done
            depth.pending + depth.running for depth in await core.service.store.queues.depths()
        ):
            await asyncio.sleep(0.05)
        rate = tasks / (time.perf_counter() - begun)
        stop.set()
    print(f"  claim, run, settle {rate:,.0f} tasks/s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--url", help="database; default: a SQLite file in a temporary folder")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--slots", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    set_up("json", "error", sys.stderr)
    given = arguments()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(main(given.url or f"sqlite:///{folder / 'bench.db'}", given.tasks, given.callers, given.slots))
