"""Handlers of every temper: each writes what it does beside Duly, so that Duly's own word can be held against it."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import psutil

from duly.app import Duly
from duly.domain.retry import Fail, Retry
from duly.engine.context import Context
from duly.torture.records import EFFECTS, Effect, Pen

FOLDER = "TORTURE_FOLDER"
"""The environment variable that names the folder of the run."""

SOON = timedelta(milliseconds=200)
STEP = 0.05
TELLINGS = 5

duly = Duly()

How = Literal["returned", "raised", "cancelled", "killing"]


class OnPurpose(Exception):
    """What handlers raise that are to fail."""


def write_down(what: Literal["start", "end"], ctx: Context, how: How | None = None) -> None:
    """Append one effect, whole, whoever is killed after it."""
    with Pen(Path(os.environ[FOLDER]) / EFFECTS) as pen:
        pen.write(
            Effect(
                what=what,
                t=time.monotonic(),
                id=str(ctx.task_id),
                attempt=ctx.attempt,
                pid=os.getpid(),
                process_start=psutil.Process().create_time(),
                type=ctx.type,
                queue=ctx.queue,
                how=how,
            )
        )


@contextmanager
def effects(ctx: Context) -> Iterator[None]:
    """Write down when the handler starts, and how it ends."""
    write_down("start", ctx)
    how: How = "raised"
    try:
        yield
        how = "returned"
    except asyncio.CancelledError:
        how = "cancelled"
        raise
    finally:
        write_down("end", ctx, how)


@duly.task(name="torture.echo")
async def echo(ctx: Context, number: int) -> int:
    """Nothing but its effects."""
    with effects(ctx):
        return number


@duly.task(name="torture.slow", queue="slow")
def slow(ctx: Context, seconds: float) -> float:
    """In a thread; looks whether it is to stop."""
    with effects(ctx):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not ctx.cancelled:
            time.sleep(STEP)
        if ctx.cancelled:
            raise OnPurpose
        return seconds


@duly.task(name="torture.blocking", queue="slow")
def blocking(ctx: Context, seconds: float) -> float:
    """In a thread that nobody can stop."""
    with effects(ctx):
        time.sleep(seconds)
        return seconds


@duly.task(name="torture.telling")
async def telling(ctx: Context, seconds: float) -> str:
    """Tell how far it is."""
    with effects(ctx):
        for step in range(TELLINGS):
            await ctx.progress(step / TELLINGS, f"step {step}")
            await asyncio.sleep(seconds / TELLINGS)
        return "told"


@duly.task(name="torture.cancellable")
async def cancellable(ctx: Context, seconds: float) -> str:
    """Go on until a cancel arrives, or the time is over."""
    with effects(ctx):
        await asyncio.sleep(seconds)
        return "nobody came"


@duly.task(name="torture.failing")
async def failing(ctx: Context) -> None:
    """Fail for good."""
    with effects(ctx):
        raise Fail("on purpose")


@duly.task(name="torture.retried", retry=Retry(max_attempts=5, initial=SOON))
async def retried(ctx: Context, number: int) -> int:
    """Fail twice, then succeed."""
    with effects(ctx):
        if ctx.failures < 2:  # noqa: PLR2004
            raise OnPurpose
        return number


@duly.task(name="torture.deadly")
async def deadly(ctx: Context) -> None:
    """Kill the process that runs it: the only task that may ever be called poison."""
    write_down("start", ctx)
    write_down("end", ctx, "killing")
    os.kill(os.getpid(), signal.SIGKILL)
