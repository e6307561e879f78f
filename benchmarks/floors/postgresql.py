"""The floor on PostgreSQL: one table, durable claims and settles in batches, asyncpg, and no service around it."""

import asyncio
import json
import os
import time
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import psycopg
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve

BATCH = 500
IN_FLIGHT = 2 * BATCH

SCHEMA = """
CREATE TABLE floor_tasks (
    id uuid PRIMARY KEY,
    queue text NOT NULL, name text NOT NULL, status smallint NOT NULL DEFAULT 0, priority smallint NOT NULL DEFAULT 0,
    attempt int NOT NULL DEFAULT 0, max_attempts int NOT NULL DEFAULT 3,
    run_at timestamptz NOT NULL DEFAULT now(), created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz, finished_at timestamptz, lease_until timestamptz, worker uuid,
    payload jsonb NOT NULL, result jsonb
);
CREATE INDEX floor_ready ON floor_tasks (queue, priority DESC, run_at, id) WHERE status = 0;
"""
INSERT = """
INSERT INTO floor_tasks (id, queue, name, payload)
SELECT x.id, 'bench', 'noop', x.payload FROM unnest($1::uuid[], $2::jsonb[]) AS x (id, payload)
"""
CLAIM = """
WITH taken AS MATERIALIZED (
    SELECT id FROM floor_tasks WHERE queue = 'bench' AND status = 0 AND run_at <= now()
    ORDER BY priority DESC, run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE floor_tasks t
SET status = 1, attempt = attempt + 1, started_at = now(), lease_until = now() + interval '30 s', worker = $2
FROM taken WHERE t.id = taken.id
RETURNING t.id, t.attempt, t.payload::text
"""
SETTLE = """
UPDATE floor_tasks t SET status = 2, result = x.result, finished_at = now()
FROM unnest($1::uuid[], $2::int[], $3::jsonb[]) AS x (id, attempt, result)
WHERE t.id = x.id AND t.status = 1 AND t.attempt = x.attempt
"""
COSTLY = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin", "enable_mergejoin", "jit")
PLANNER = dict.fromkeys(COSTLY, "off")
Done = tuple[UUID, int, str]


async def connect():
    return await asyncpg.connect(os.environ["BENCH_URL"], server_settings=PLANNER)


def new_id() -> UUID:
    """Ordered by time (UUID version 7)."""
    stamp = time.time_ns() // 1_000_000
    return UUID(int=(stamp << 80) | (7 << 76) | (uuid4().int & ((1 << 76) - 1) & ~(3 << 62) | (2 << 62)))


async def prepare() -> None:
    connection = await connect()
    await connection.execute(SCHEMA)
    await connection.close()


async def fill(tasks: int) -> None:
    await prepare()
    connection = await connect()
    for start in range(0, tasks, BATCH):
        numbers = range(start, min(start + BATCH, tasks))
        await connection.execute(
            INSERT, [new_id() for _ in numbers], [json.dumps(tally.payload(number)) for number in numbers]
        )


async def insert(seconds: int, width: int) -> None:
    """Nothing but inserts, on so many connections: how many rows."""
    begun, inserted = time.monotonic(), 0

    async def one() -> None:
        nonlocal inserted
        statement = await (await connect()).prepare(INSERT)
        while time.monotonic() - begun < seconds:
            payloads = [json.dumps(tally.payload(number)) for number in range(BATCH)]
            await statement.fetch([new_id() for _ in payloads], payloads)
            inserted += BATCH

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(one())
    print(json.dumps({"rows": inserted, "seconds": time.monotonic() - begun}))


async def handler(payload: str) -> str:
    tally.count()
    return json.dumps(tally.result(json.loads(payload)["number"]))


class Worker:
    """Claims on one connection, settles on another; a bounded number is in flight."""

    def __init__(self) -> None:
        self._done: list[Done] = []
        self._in_flight = 0
        self._some_done, self._room = asyncio.Event(), asyncio.Event()
        self._id = uuid4()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle())
            await self._claim(group)

    async def _claim(self, group: asyncio.TaskGroup) -> None:
        claim = await (await connect()).prepare(CLAIM)
        while True:
            while self._in_flight > IN_FLIGHT - BATCH:
                self._room.clear()
                await self._room.wait()
            rows = await claim.fetch(BATCH, self._id)
            self._in_flight += len(rows)
            for id_, attempt, payload in rows:
                group.create_task(self._call(id_, attempt, payload))
            if not rows:
                await asyncio.sleep(0.005)

    async def _call(self, id_: UUID, attempt: int, payload: str) -> None:
        self._done.append((id_, attempt, await handler(payload)))
        self._some_done.set()

    async def _settle(self) -> None:
        settle = await (await connect()).prepare(SETTLE)
        while True:
            await self._some_done.wait()
            batch, self._done = self._done[:BATCH], self._done[BATCH:]
            if not self._done:
                self._some_done.clear()
            await settle.fetch(*map(list, zip(*batch, strict=True)))
            self._in_flight -= len(batch)
            self._room.set()


def work() -> None:
    uvloop.run(Worker().run())


def watch(tasks: int, processes: int) -> None:
    with psycopg.connect(os.environ["BENCH_URL"], autocommit=True) as connection:
        tally.watch(tasks, processes, partial(done, connection))


def done(connection: "psycopg.Connection") -> int:
    """How many outcomes are stored."""
    return connection.execute("SELECT count(*) FROM floor_tasks WHERE status = 2").fetchone()[0]


if __name__ == "__main__":
    serve(prepare=prepare, insert=insert, fill=fill, work=work, watch=watch)
