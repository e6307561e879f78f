"""Handlers that write what they do into a file beside Duly: each line is appended whole, whoever is killed after it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from duly import Context, Duly, Retry

duly = Duly()

LONGEST = 120
STEP = 0.01


class Told(Exception):
    """The handler was told to end."""


def effect(word: str, ctx: Context) -> None:
    line = f"{word} {ctx.task_id} {ctx.attempt} {os.getpid()}\n"
    file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@duly.task(name="quick")
async def quick(ctx: Context, number: int = 0) -> int:
    """Nothing but its effects."""
    effect("start", ctx)
    effect("end", ctx)
    return number


@duly.task(name="hold.async")
async def hold_async(ctx: Context, gate: str) -> str:
    """Hold on until the gate is there."""
    effect("start", ctx)
    try:
        await _await_gate(gate, lambda passes: _tell(ctx, passes))
    except asyncio.CancelledError:
        effect("told", ctx)
        raise
    effect("end", ctx)
    return "through"


@duly.task(name="hold.thread")
def hold_thread(ctx: Context, gate: str) -> str:
    """The same in a thread."""
    return _hold(ctx, gate)


@duly.task(name="hold.process", executor="process")
def hold_process(ctx: Context, gate: str) -> str:
    """The same in a process of its own."""
    return _hold(ctx, gate)


@duly.task(name="block")
async def block(ctx: Context, seconds: float) -> str:
    """Stand in the way of the whole event loop."""
    effect("start", ctx)
    time.sleep(seconds)  # noqa: ASYNC251 - that is what it is for
    effect("end", ctx)
    return "moved"


@duly.task(name="block.once")
async def block_once(ctx: Context) -> int:
    """The first attempt never gives the event loop back."""
    effect("start", ctx)
    if ctx.attempt == 1:
        time.sleep(3600)  # noqa: ASYNC251 - that is what it is for
    effect("end", ctx)
    return ctx.attempt


@duly.task(name="stubborn")
def stubborn(ctx: Context) -> None:
    """Pay no attention to being told to end."""
    effect("start", ctx)
    time.sleep(LONGEST)
    effect("end", ctx)


@duly.task(name="stubborn.async")
async def stubborn_async(ctx: Context) -> None:
    """The same for a coroutine."""
    effect("start", ctx)
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(STEP)
    effect("end", ctx)


@duly.task(name="stubborn.executor")
async def stubborn_executor(ctx: Context) -> None:
    """The same in a thread of the event loop's own, for which Python waits when it exits."""
    effect("start", ctx)
    await asyncio.to_thread(time.sleep, LONGEST)
    effect("end", ctx)


@duly.task(name="fails.once", retry=Retry(initial=timedelta(milliseconds=100)))
async def fails_once(ctx: Context) -> int:
    """The first attempt fails."""
    effect("start", ctx)
    if ctx.attempt == 1:
        raise ValueError("not yet")
    effect("end", ctx)
    return ctx.attempt


@duly.task(name="poison", retry=Retry(max_attempts=5))
async def poison(ctx: Context) -> None:
    """Kill whatever process it runs in."""
    effect("start", ctx)
    os.kill(os.getpid(), signal.SIGKILL)


def _hold(ctx: Context, gate: str) -> str:
    effect("start", ctx)
    for passes in range(int(LONGEST / STEP)):
        if Path(gate).exists():
            effect("end", ctx)
            return "through"
        if ctx.cancelled:
            effect("told", ctx)
            raise Told
        _tell(ctx, passes)
        time.sleep(STEP)
    raise TimeoutError


async def _await_gate(gate: str, tell: Callable[[int], None]) -> None:
    for passes in range(int(LONGEST / STEP)):
        if Path(gate).exists():  # noqa: ASYNC240 - one look at a file
            return
        tell(passes)
        await asyncio.sleep(STEP)
    raise TimeoutError


def _tell(ctx: Context, passes: int) -> None:
    if passes % 10 == 0:
        ctx.progress_sync(min(passes / 1000, 0.99), f"{passes} passes")
