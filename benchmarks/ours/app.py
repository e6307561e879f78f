"""Duly's handlers in the benchmarks: the same work as every peer's."""

import asyncio
import time

from benchmarks.harness.tally import count, result

from duly import Duly

duly = Duly()


@duly.task(name="bench.noop")
async def noop(number: int, text: str) -> dict[str, object]:
    """Count the call, and return something small."""
    del text
    count()
    return result(number)


@duly.task(name="bench.start")
async def start() -> float:
    """When it started, by this machine's clock."""
    return time.time()


@duly.task(name="bench.hold")
async def hold(seconds: float) -> None:
    """A handler that waits for something outside, as most do."""
    count()
    await asyncio.sleep(seconds)
