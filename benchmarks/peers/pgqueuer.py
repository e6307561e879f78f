"""PgQueuer: jobs in PostgreSQL, claimed in batches, on a pool of connections."""

import asyncio
import json
import os

import asyncpg
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve

from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries

FILL = 1000
BATCH = int(os.environ.get("BENCH_BATCH", "500"))


async def pool():
    return await asyncpg.create_pool(os.environ["BENCH_URL"], min_size=1, max_size=4)


async def fill(tasks: int, entrypoint: str = "noop") -> None:
    async with await pool() as connections:
        queries = Queries(AsyncpgPoolDriver(connections))
        await queries.install()
        for start in range(0, tasks, FILL):
            payloads = [json.dumps(tally.payload(number)).encode() for number in range(start, min(start + FILL, tasks))]
            await queries.enqueue([entrypoint] * len(payloads), payloads, [0] * len(payloads))


async def run() -> None:
    async with await pool() as connections:
        app = PgQueuer(AsyncpgPoolDriver(connections))

        @app.entrypoint("noop")
        async def noop(job) -> None:
            tally.count()
            json.loads(job.payload)

        @app.entrypoint("hold")
        async def hold(_job) -> None:
            tally.count()
            await asyncio.sleep(0.1)

        await app.run(batch_size=BATCH, max_concurrent_tasks=int(os.environ.get("BENCH_SLOTS", 2 * BATCH)))


def work() -> None:
    uvloop.run(run())


def watch(tasks: int, processes: int) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(os.environ["BENCH_URL"]))
        count = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
        tally.watch(tasks, processes, lambda: runner.run(connection.fetchval(count)))


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch)
