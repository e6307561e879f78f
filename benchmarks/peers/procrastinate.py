"""Procrastinate: jobs in PostgreSQL; it keeps their status, and no results."""

import asyncio
import os

import psycopg
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from procrastinate import App, PsycopgConnector

CONCURRENCY = int(os.environ.get("BENCH_SLOTS", "100"))
BATCH = 500

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_URL"], min_size=4, max_size=20))


@app.task(name="noop")
async def noop(number: int, text: str) -> dict:
    del text
    tally.count()
    return tally.result(number)


@app.task(name="hold")
async def hold(seconds: float) -> None:
    tally.count()
    await asyncio.sleep(seconds)


async def fill(tasks: int) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, tasks, BATCH):
            payloads = [tally.payload(number) for number in range(start, min(start + BATCH, tasks))]
            await noop.batch_defer_async(*payloads)


async def run() -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY, delete_jobs="never", install_signal_handlers=False)


def work() -> None:
    uvloop.run(run())


def watch(tasks: int, processes: int) -> None:
    count = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
    with psycopg.connect(os.environ["BENCH_URL"], autocommit=True) as connection:
        tally.watch(tasks, processes, lambda: connection.execute(count).fetchone()[0])


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch)
