"""The floor on MariaDB: one table, one index for filter and order, batches in few statements, asyncmy."""

import asyncio
import json
import os
from uuid import uuid4

import asyncmy
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from sqlalchemy.engine import make_url

BATCH = 500
IN_FLIGHT = 2 * BATCH
SCHEMA = """
CREATE TABLE floor_tasks (
    id BINARY(16) PRIMARY KEY, queue VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL, status TINYINT NOT NULL,
    priority TINYINT NOT NULL, attempt INT NOT NULL, max_attempts INT NOT NULL, run_at DATETIME(6) NOT NULL,
    created_at DATETIME(6) NOT NULL, started_at DATETIME(6), finished_at DATETIME(6), lease_until DATETIME(6),
    worker BINARY(16), payload TEXT NOT NULL, result TEXT,
    KEY floor_ready (status, queue, priority, run_at, id)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""
ROW = "(%s, 'bench', 'noop', 0, 0, 0, 3, now(6), now(6), NULL, NULL, NULL, NULL, %s, NULL)"
READY = """
SELECT id, attempt, payload FROM floor_tasks FORCE INDEX (floor_ready)
WHERE status = 0 AND queue = 'bench' AND run_at <= now(6)
ORDER BY priority, run_at, id LIMIT %s FOR UPDATE SKIP LOCKED
"""
TAKE = """
UPDATE floor_tasks
SET status = 1, attempt = attempt + 1, started_at = now(6), lease_until = now(6) + INTERVAL 30 SECOND, worker = %s
WHERE id IN ({marks})
"""
SETTLE = """
UPDATE floor_tasks SET status = 2, finished_at = now(6), result = CASE id {cases} END
WHERE status = 1 AND (id, attempt) IN ({marks})
"""


async def connect():
    at = make_url(os.environ["BENCH_URL"])
    password = at.password or ""
    connection = await asyncmy.connect(
        host=at.host, port=at.port or 3306, user=at.username, password=password, db=at.database, autocommit=True
    )
    async with connection.cursor() as cursor:
        await cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection


async def ask(connection, statement: str, *values: object):
    async with connection.cursor() as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()


async def prepare() -> None:
    await ask(await connect(), SCHEMA)


async def fill(tasks: int) -> None:
    await prepare()
    connection = await connect()
    for start in range(0, tasks, BATCH):
        numbers = range(start, min(start + BATCH, tasks))
        values = [value for n in numbers for value in (uuid4().bytes, json.dumps(tally.payload(n)))]
        rows = ", ".join([ROW] * len(numbers))
        await ask(connection, f"INSERT INTO floor_tasks VALUES {rows}", *values)


class Worker:
    """Claims on one connection, settles on another; a bounded number is in flight."""

    def __init__(self) -> None:
        self._done: list[tuple[bytes, int, str]] = []
        self._in_flight = 0
        self._some_done, self._room = asyncio.Event(), asyncio.Event()
        self._id = uuid4().bytes

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle())
            await self._claim(group)

    async def _claim(self, group: asyncio.TaskGroup) -> None:
        connection = await connect()
        while True:
            while self._in_flight > IN_FLIGHT - BATCH:
                self._room.clear()
                await self._room.wait()
            rows = await self._claimed(connection)
            self._in_flight += len(rows)
            for id_, attempt, payload in rows:
                group.create_task(self._call(id_, attempt + 1, payload))
            if not rows:
                await asyncio.sleep(0.005)

    async def _claimed(self, connection):
        await connection.begin()
        rows = await ask(connection, READY, BATCH)
        if rows:
            marks = ", ".join(["%s"] * len(rows))
            await ask(connection, TAKE.format(marks=marks), self._id, *(row[0] for row in rows))
        await connection.commit()
        return rows

    async def _call(self, id_: bytes, attempt: int, payload: str) -> None:
        tally.count()
        self._done.append((id_, attempt, json.dumps(tally.result(json.loads(payload)["number"]))))
        self._some_done.set()

    async def _settle(self) -> None:
        connection = await connect()
        while True:
            await self._some_done.wait()
            batch, self._done = self._done[:BATCH], self._done[BATCH:]
            if not self._done:
                self._some_done.clear()
            cases, marks = " ".join(["WHEN %s THEN %s"] * len(batch)), ", ".join(["(%s, %s)"] * len(batch))
            values = [value for id_, _, result in batch for value in (id_, result)]
            values += [value for id_, attempt, _ in batch for value in (id_, attempt)]
            await ask(connection, SETTLE.format(cases=cases, marks=marks), *values)
            self._in_flight -= len(batch)
            self._room.set()


def work() -> None:
    uvloop.run(Worker().run())


def watch(tasks: int, processes: int) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(connect())
        count = "SELECT count(*) FROM floor_tasks WHERE status = 2"
        tally.watch(tasks, processes, lambda: runner.run(ask(connection, count))[0][0])


if __name__ == "__main__":
    serve(prepare=prepare, fill=fill, work=work, watch=watch)
