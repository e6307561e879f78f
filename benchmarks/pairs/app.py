"""Handlers of every temper; each writes down when it starts and how it ends."""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from benchmarks.job.record import record

from duly import Context, Duly, Fail, Retry

duly = Duly()

SOON = timedelta(milliseconds=200)
ROUNDS = 100_000


class OnPurpose(Exception):
    """What handlers raise that are to fail."""


@contextmanager
def recorded(ctx: Context) -> Iterator[None]:
    """Write down when it starts, and whether it ends (returns) or is left (raises)."""
    record("start", ctx)
    try:
        yield
    except BaseException:
        record("left", ctx)
        raise
    record("end", ctx)


@duly.task(name="pair.fast")
async def fast(ctx: Context, number: int) -> int:
    """Nothing but its record."""
    with recorded(ctx):
        return number


@duly.task(name="pair.slow", queue="slow")
def slow(ctx: Context, number: int) -> str:
    """Some tenths of a second of real work, in a thread."""
    with recorded(ctx):
        return hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"duly", ROUNDS).hex()


@duly.task(name="pair.fail")
async def fail(ctx: Context) -> None:
    """Fail for good."""
    with recorded(ctx):
        raise Fail("on purpose")


@duly.task(name="pair.spend", retry=Retry(max_attempts=3, initial=SOON))
async def spend(ctx: Context) -> None:
    """Fail as often as it may."""
    with recorded(ctx):
        raise OnPurpose


@duly.task(name="pair.retry", queue="slow", retry=Retry(max_attempts=5, initial=SOON))
async def retry(ctx: Context, number: int) -> int:
    """Fail twice, then succeed."""
    with recorded(ctx):
        if ctx.failures < 2:
            raise OnPurpose
        return number


@duly.task(name="pair.hold")
async def hold(ctx: Context) -> None:
    """Go on until a cancel arrives."""
    with recorded(ctx):
        await asyncio.Event().wait()


@duly.task(name="pair.start")
async def start() -> float:
    """When it started, by this machine's clock."""
    return time.time()
