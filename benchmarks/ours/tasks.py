"""Duly's commands: fill the store, and watch until all outcomes are there."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import uniform
from typing import Any

from benchmarks.harness import tally
from benchmarks.harness.command import serve
from benchmarks.ours.app import duly, start
from sqlalchemy import Engine, create_engine, text

from duly.assembly import migrate, open_core
from duly.engine.submission import Submission
from duly.engine.tasks import Tasks
from duly.settings import load_settings
from tests.support.databases import blocking_url

BATCH = 500
BATCH_BYTES = 2_000_000
CALLERS = 4
QUEUE = "default"


async def fill(tasks: int, type_name: str = "bench.noop") -> None:
    """Submit so many, in batches."""
    settings = load_settings()
    await migrate(settings)
    payloads = [tally.payload(number) if type_name == "bench.noop" else {"seconds": 0.1} for number in range(tasks)]
    async with open_core(settings, duly.handlers) as core:
        size = max(1, min(BATCH, BATCH_BYTES // len(tally.PAYLOAD_TEXT)))
        for start in range(0, tasks, size):
            many = [Submission(type=type_name, payload=one) for one in payloads[start : start + size]]
            await core.service.tasks.submit_many(many)


async def submit(seconds: int, size: int) -> None:
    """Nothing but submits of so many at once, by four callers: how many tasks."""
    payload, submitted = tally.payload(1), 0

    async def caller(tasks: Tasks) -> None:
        nonlocal submitted
        while time.monotonic() - begun < seconds:
            await tasks.submit_many([Submission(type="bench.noop", payload=payload)] * size)
            submitted += size

    async with open_core(load_settings(), duly.handlers) as core:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(caller(core.service.tasks))
        print(json.dumps({"tasks": submitted, "seconds": time.monotonic() - begun}))


async def pause() -> None:
    """From now on nothing is claimed."""
    async with open_core(load_settings(), duly.handlers) as core:
        await core.service.overview.pause(QUEUE, True)


async def resume(processes: int) -> None:
    """Claims begin again, once so many workers are there."""
    async with open_core(load_settings(), duly.handlers) as core:
        overview = core.service.overview
        while len(await overview.workers()) < processes:  # noqa: ASYNC110  # other processes do it
            await asyncio.sleep(tally.LOOK)
        await overview.pause(QUEUE, False)


def watch(tasks: int, processes: int) -> None:
    """Until all are completed."""
    tally.watch(tasks, processes, completed)


def completed() -> int:
    """How many outcomes are stored."""
    return int(ask("SELECT count(*) FROM duly_tasks WHERE state = 'completed'")[0][0])


def stored() -> None:
    """How many tasks there are, in whatever state."""
    print(ask("SELECT count(*) FROM duly_tasks")[0][0])


def ids(file: str) -> None:
    """Write all ids into this file."""
    Path(file).write_text("\n".join(str(row[0]) for row in ask("SELECT id FROM duly_tasks")))


async def latency(tasks: int, warm: int) -> None:
    """Submit in this process, one at a time: seconds to the handler's start and to the result in hand."""
    took = []
    async with duly:
        for _ in range(warm + tasks):
            await asyncio.sleep(uniform(*tally.PAUSES))
            begun = time.time()
            handle = await start.submit()
            started = await handle.result(timedelta(seconds=30))
            took.append((started - begun, time.time() - begun))
    print(json.dumps(took[warm:]))


@cache
def engine() -> Engine:
    """The database, asked behind Duly's back."""
    return create_engine(blocking_url(load_settings().database_url))


def ask(question: str) -> "Sequence[Any]":
    """All rows."""
    with engine().connect() as connection:
        return connection.execute(text(question)).all()


def prepare() -> None:
    """Make the tables."""
    asyncio.run(migrate(load_settings()))


if __name__ == "__main__":
    serve(
        prepare=prepare,
        submit=submit,
        fill=fill,
        pause=pause,
        resume=resume,
        watch=watch,
        stored=stored,
        ids=ids,
        latency=latency,
    )
