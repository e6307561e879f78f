"""Oban for Python: jobs in PostgreSQL; it keeps their status, and results only of those that ask for it."""

import asyncio
import os

import psycopg
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from oban import Oban, worker
from oban.schema import install

URL = os.environ["BENCH_URL"]
LIMIT = int(os.environ.get("BENCH_SLOTS", "100"))
BATCH = 500


@worker(queue="default")
class Noop:
    async def process(self, _job: object) -> None:
        tally.count()


async def fill(tasks: int) -> None:
    pool = await Oban.create_pool(URL, min_size=2, max_size=10)
    await install(pool)
    oban = Oban(pool=pool, queues={})
    for start in range(0, tasks, BATCH):
        jobs = [Noop.new(tally.payload(number)) for number in range(start, min(start + BATCH, tasks))]
        await oban.enqueue_many(jobs)
    await pool.close()


async def run() -> None:
    pool = await Oban.create_pool(URL, min_size=2, max_size=10)
    async with Oban(pool=pool, queues={"default": LIMIT}):
        await asyncio.Event().wait()


def work() -> None:

    uvloop.run(run())


def watch(tasks: int, processes: int) -> None:
    count = "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"
    with psycopg.connect(URL, autocommit=True) as connection:
        tally.watch(tasks, processes, lambda: connection.execute(count).fetchone()[0])


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch)
