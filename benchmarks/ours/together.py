"""Everything at once with Duly: 256 coroutines submit single tasks in this process while a worker runs them."""

import asyncio
import json
import time

import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from benchmarks.ours.app import duly, noop
from benchmarks.ours.tasks import completed, prepare, watch

SUBMITTERS = 256
WARM = 10
MOST_WAITING = 20_000


def together(tasks: int) -> None:
    """Submit all, and wait until all are settled."""
    uvloop.run(_together(tasks))


async def _together(tasks: int) -> None:
    took, numbers = [], iter(range(tasks))

    async def submitter() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await noop.submit(number=number, text=tally.PAYLOAD_TEXT)
            took.append(time.perf_counter() - begun)

    async with duly:
        for number in range(WARM):  # the worker is there, once these are settled
            await noop.submit(number=number, text=tally.PAYLOAD_TEXT)
        await tally.settled(WARM, completed)
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(SUBMITTERS):
                group.create_task(submitter())
        submitted = time.perf_counter() - begun
        stored = await tally.settled(WARM + tasks, completed) - WARM
        ended = time.perf_counter() - begun
    print(json.dumps({"seconds": ended, "submitting": submitted, "stored": stored, "took": took}))


def pump(seconds: int) -> None:
    """Submit for so long, with no more than a bounded number waiting."""
    uvloop.run(_pump(seconds))


async def _pump(seconds: int) -> None:
    ends, submitted = time.monotonic() + seconds, 0
    waiting = 0

    async def submitter() -> None:
        nonlocal submitted
        while time.monotonic() < ends:
            if waiting > MOST_WAITING:
                await asyncio.sleep(0.02)
                continue
            submitted += 1
            await noop.submit(number=submitted, text=tally.PAYLOAD_TEXT)

    async def look() -> None:
        nonlocal waiting
        while time.monotonic() < ends:
            waiting = submitted - sum(tally.counts())
            await asyncio.sleep(0.1)

    async with duly, asyncio.TaskGroup() as group:
        group.create_task(look())
        for _ in range(SUBMITTERS):
            group.create_task(submitter())
    print(submitted)


if __name__ == "__main__":
    serve(prepare=prepare, together=together, pump=pump, watch=watch)
