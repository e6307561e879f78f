"""Pressure: no fault of anybody, only more than usual."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial

from duly.torture.records import Json
from duly.torture.stage import Barred, Fault, Stage

SECONDS = 6.0
TIMES = 3.0
READERS = 20
BURST = 300
"""How long, how many times the rate, how many read at once, how many tasks come at once."""


def faults(stage: Stage) -> Iterator[Fault | Barred]:
    """All are always possible."""
    yield Fault("burst", "event_burst", partial(_burst, stage))
    yield Fault("readers", "active_readers", partial(_readers, stage))
    yield Fault("load", "sustained_high_load", partial(_load, stage))


async def _burst(stage: Stage) -> Json:
    await stage.load.burst(BURST)
    return {"tasks": BURST}


async def _readers(stage: Stage) -> Json:
    """As fast as they are answered."""
    end = time.monotonic() + SECONDS
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(_read(stage, end)) for _ in range(READERS)]
    return {"reads": sum(one.result() for one in reading)}


async def _read(stage: Stage, end: float) -> int:
    reads = 0
    while time.monotonic() < end:
        caller = stage.random.choice(stage.load.callers)
        if not stage.load.recent:
            return reads
        await caller.get(stage.random.choice(stage.load.recent))
        reads += 1
        await asyncio.sleep(0.02)
    return reads


async def _load(stage: Stage) -> Json:
    stage.load.pressure = TIMES
    try:
        await asyncio.sleep(SECONDS)
    finally:
        stage.load.pressure = 1.0
    return {"times": TIMES}
