"""The floor of everything at once on PostgreSQL: 256 coroutines submit single rows, which share inserts."""

import asyncio
import json
import os
import time
from functools import partial

import psycopg
import uvloop
from benchmarks.floors.postgresql import BATCH, INSERT, connect, done, new_id, prepare, work
from benchmarks.harness import tally
from benchmarks.harness.command import serve

SUBMITTERS = 256
WARM = 10


class Inserter:
    """The next insert takes what gathered while the last one was written."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def submit(self, payload: str) -> None:
        """Returns when it is committed."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((payload, done))
        self._some.set()
        await done

    async def run(self) -> None:
        """Until cancelled."""
        insert = await (await connect()).prepare(INSERT)
        while True:
            await self._some.wait()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._some.clear()
            await insert.fetch([new_id() for _ in batch], [payload for payload, _ in batch])
            for _, committed in batch:
                committed.set_result(None)


def together(tasks: int) -> None:
    """Submit all, and wait until all are settled."""
    uvloop.run(_together(tasks))


async def _together(tasks: int) -> None:
    inserter, took, numbers = Inserter(), [], iter(range(tasks))

    async def submitter() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await inserter.submit(json.dumps(tally.payload(number)))
            took.append(time.perf_counter() - begun)

    running = asyncio.create_task(inserter.run())
    store = psycopg.connect(os.environ["BENCH_URL"], autocommit=True)
    for number in range(WARM):  # the worker is there, once these are settled
        await inserter.submit(json.dumps(tally.payload(number)))
    await tally.settled(WARM, partial(done, store))
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(SUBMITTERS):
            group.create_task(submitter())
    submitted = time.perf_counter() - begun
    stored = await tally.settled(WARM + tasks, partial(done, store)) - WARM
    ended = time.perf_counter() - begun
    running.cancel()
    store.close()
    print(json.dumps({"seconds": ended, "submitting": submitted, "stored": stored, "took": took}))


if __name__ == "__main__":
    serve(prepare=prepare, work=work, together=together)
