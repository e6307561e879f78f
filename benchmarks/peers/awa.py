"""Awa: jobs in PostgreSQL, claimed and settled by its own engine; it keeps their status."""

import asyncio
import os
from dataclasses import dataclass

from awa import AsyncClient
from benchmarks.harness import tally
from benchmarks.harness.command import serve

WORKERS = int(os.environ.get("BENCH_SLOTS", "256"))
BATCH = 1000
QUEUE = "bench"


@dataclass
class Noop:
    number: int
    text: str


async def fill(tasks: int) -> None:
    client = AsyncClient(os.environ["BENCH_URL"])
    await client.migrate()
    for start in range(0, tasks, BATCH):
        jobs = [Noop(**tally.payload(number)) for number in range(start, min(start + BATCH, tasks))]
        await client.insert_many_copy(jobs, queue=QUEUE)


async def run() -> None:
    client = AsyncClient(os.environ["BENCH_URL"])

    @client.task(Noop, queue=QUEUE)
    async def noop(_job: object) -> None:
        tally.count()

    await client.start([(QUEUE, WORKERS)])
    await asyncio.Event().wait()


def work() -> None:
    asyncio.run(run())


async def completed(client: AsyncClient) -> int:
    stats = await client.queue_stats()
    return sum(one.completed_last_hour for one in stats if one.queue == QUEUE)


def watch(tasks: int, processes: int) -> None:
    with asyncio.Runner() as runner:
        client = AsyncClient(os.environ["BENCH_URL"])
        tally.watch(tasks, processes, lambda: runner.run(completed(client)))


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch)
