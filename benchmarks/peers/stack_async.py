"""The stack that people build, async throughout: FastAPI, asyncpg, RabbitMQ with confirms, a consumer of aio-pika.

A row is committed, then its id is published; the worker marks it running, runs it, stores the result, and acknowledges.
"""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import aio_pika
import asyncpg
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

QUEUE = "stack"
PREFETCH = 100
SCHEMA = """
CREATE TABLE stack_tasks (
    id uuid PRIMARY KEY, type text NOT NULL, status text NOT NULL DEFAULT 'pending', payload jsonb NOT NULL,
    result jsonb, error text, created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz, finished_at timestamptz
);
"""


class Submit(BaseModel):
    type: str
    payload: dict


class Task(BaseModel):
    id: uuid.UUID
    type: str
    status: str
    result: dict | None = None
    error: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


def decoding(connection):
    return connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


class Stack:
    """What both API and worker hold."""

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(os.environ["BENCH_URL"], min_size=2, max_size=10, init=decoding)
        self.amqp = await aio_pika.connect_robust(os.environ["BENCH_AMQP"])
        self.channel = await self.amqp.channel(publisher_confirms=True)
        self.queue = await self.channel.declare_queue(QUEUE, durable=True)

    async def close(self) -> None:
        await self.amqp.close()
        await self.pool.close()

    async def publish(self, id_: uuid.UUID) -> None:
        body = aio_pika.Message(str(id_).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self.channel.default_exchange.publish(body, routing_key=QUEUE)


stack = Stack()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await stack.open()
    yield
    await stack.close()


app = FastAPI(lifespan=lifespan)


@app.post("/tasks", status_code=202)
async def submit(body: Submit) -> Task:
    row = await stack.pool.fetchrow(
        "INSERT INTO stack_tasks (id, type, payload) VALUES ($1, $2, $3) RETURNING *",
        uuid.uuid4(),
        body.type,
        body.payload,
    )
    await stack.publish(row["id"])
    return Task(**row)


@app.get("/tasks/{id_}")
async def status(id_: uuid.UUID) -> Task:
    row = await stack.pool.fetchrow("SELECT * FROM stack_tasks WHERE id = $1", id_)
    if row is None:
        raise HTTPException(404)
    return Task(**row)


async def run(message: aio_pika.IncomingMessage) -> None:
    async with message.process():
        id_ = uuid.UUID(message.body.decode())
        payload = await stack.pool.fetchval(
            "UPDATE stack_tasks SET status = 'running', started_at = now() WHERE id = $1 RETURNING payload", id_
        )
        tally.count()
        await stack.pool.execute(
            "UPDATE stack_tasks SET status = 'completed', result = $2, finished_at = now() WHERE id = $1",
            id_,
            tally.result(payload["number"]),
        )


async def consume() -> None:
    await stack.open()
    await stack.channel.set_qos(PREFETCH)
    await stack.queue.consume(run)
    await asyncio.Event().wait()


def work() -> None:
    uvloop.run(consume())


async def prepare() -> None:
    connection = await asyncpg.connect(os.environ["BENCH_URL"])
    await connection.execute(SCHEMA)
    await connection.close()


async def fill(tasks: int) -> None:
    await prepare()
    await stack.open()
    for number in range(tasks):
        await submit(Submit(type="noop", payload=tally.payload(number)))
    await stack.close()


async def ask(question: str):
    connection = await asyncpg.connect(os.environ["BENCH_URL"])
    try:
        return await connection.fetch(question)
    finally:
        await connection.close()


def watch(tasks: int, processes: int) -> None:
    completed = "SELECT count(*) FROM stack_tasks WHERE status = 'completed'"
    tally.watch(tasks, processes, lambda: asyncio.run(ask(completed))[0][0])


def stored() -> None:
    print(asyncio.run(ask("SELECT count(*) FROM stack_tasks"))[0][0])


def ids(file: str) -> None:
    Path(file).write_text("\n".join(str(row[0]) for row in asyncio.run(ask("SELECT id FROM stack_tasks"))))


if __name__ == "__main__":
    serve(prepare=prepare, fill=fill, work=work, watch=watch, stored=stored, ids=ids)
