"""SAQ: jobs and results in PostgreSQL, or in Redis."""

import asyncio
import os

import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from saq import Job, Queue, Worker

URL = os.environ.get("BENCH_URL") or os.environ["BENCH_REDIS"]
CONCURRENCY = int(os.environ.get("BENCH_SLOTS", "100"))
DAY = 86_400


async def noop(_ctx: object, *, number: int, text: str) -> dict:
    del text
    tally.count()
    return tally.result(number)


def queue() -> Queue:
    return Queue.from_url(URL, **({"min_size": 4, "max_size": 20} if URL.startswith("postgres") else {}))


async def fill(tasks: int) -> None:
    to = queue()
    await to.connect()
    for number in range(tasks):
        await to.enqueue(Job("noop", kwargs=tally.payload(number), ttl=DAY))
    await to.disconnect()


async def run() -> None:
    to = queue()
    await to.connect()
    worker = Worker(to, functions=[("noop", noop)], concurrency=CONCURRENCY)
    await worker.start()


def work() -> None:
    uvloop.run(run())


async def complete(to: Queue) -> int:
    if URL.startswith("postgres"):
        async with to.pool.connection() as connection:
            rows = await connection.execute("SELECT count(*) FROM saq_jobs WHERE status = 'complete'")
            return (await rows.fetchone())[0]
    return await _in_redis(to)


async def _in_redis(to: Queue) -> int:
    return sum([1 async for key in to.redis.scan_iter("saq:job:*", count=10_000)]) - await to.count("incomplete")


def watch(tasks: int, processes: int) -> None:
    with asyncio.Runner() as runner:
        to = queue()
        runner.run(to.connect())
        tally.watch(tasks, processes, lambda: runner.run(complete(to)))


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch)
