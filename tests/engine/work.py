"""Handlers at the top of a module, so that a process of its own finds them."""

import asyncio
import os
import signal
import subprocess
import threading
import time
import warnings
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert
from sqlalchemy.orm import Session

from duly import Context, Duly, Fail, Retry, RetryAfter, Settings, Snooze
from duly.engine.running import Running

duly = Duly(Settings.model_construct())

notes = Table("notes", MetaData(), Column("text", String(100)))
"""A table of the user's own, beside Duly's."""


def _divide(word: str) -> str:
    if word == "exit":
        raise SystemExit
    return word * (1 // 0)


@duly.task
async def picky(word: Annotated[str, AfterValidator(_divide)]) -> str:
    return word


@duly.task
async def easy(word: str) -> str:
    return word


@duly.task(executor="process", retry=Retry(max_attempts=2, initial=timedelta(milliseconds=1)))
def act(ctx: Context, how: str = "return", word: str = "done") -> str:
    """Ends as it is told to."""
    match how:
        case "return":
            return f"{word} in {os.getpid()}"
        case "raise":
            raise KeyError(word)
        case "fail":
            raise Fail(word)
        case "later" if ctx.failures == 0:
            raise RetryAfter(0.001)
        case "snooze" if ctx.attempt == 1:
            raise Snooze(0.001)
        case "exit":
            raise SystemExit(3)
        case "die":
            os._exit(7)
        case "sleep":
            time.sleep(60)
    return how


@duly.task(executor="process")
async def sleep_async(ctx: Context, stubborn: bool = False) -> str:
    """Sleeps, and says what becomes of it."""
    await ctx.progress(0, "begun")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await ctx.progress(1, "cancelled")
        if not stubborn:
            raise
        time.sleep(60)  # noqa: ASYNC251  # nothing but a kill ends it
    return "slept"


@duly.task(executor="process")
def cooperate(ctx: Context) -> None:
    """Looks whether it is to stop, and stops."""
    ctx.progress_sync(0, "begun")
    while not ctx.cancelled:
        time.sleep(0.005)
    ctx.progress_sync(1, "stopped")
    raise InterruptedError


@duly.task(executor="process")
def steps(ctx: Context, count: int) -> str:
    """Reports progress many times, from a thread of its own too."""
    aside = threading.Thread(target=lambda: [ctx.progress_sync(0.1, "aside") for _ in range(count)])
    aside.start()
    for step in range(count):
        ctx.progress_sync((step + 1) / count, f"step {step + 1}")
    aside.join()
    ctx.progress_sync(1, "last")
    return "done"


@duly.task(executor="process")
def be_signalled() -> str:
    """Sends itself what a terminal or a service manager sends to the whole group."""
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    child = subprocess.run(["/bin/sh", "-c", "kill -TERM $$"], check=False)
    return f"alive; the program it started ended with {child.returncode}"


@duly.task(executor="process")
def leave_a_bomb() -> str:
    """Returns, and its process dies a little later: under whatever runs there next."""
    threading.Thread(target=lambda: (time.sleep(0.3), os._exit(9)), daemon=True).start()
    return "left"


@duly.task(executor="process")
def leave_a_program(how: str) -> str:
    """Starts a program that has all that this process had open, and outlives it."""
    subprocess.Popen(["/bin/sleep", "45"], close_fds=False)
    if how == "die":
        os._exit(7)
    time.sleep(60)
    return how


@duly.task(executor="process")
def linger(seconds: float) -> str:
    time.sleep(seconds)
    return f"in {os.getpid()}"


@duly.task
async def whereabouts() -> int:
    return os.getpid()


def bare(word: str) -> str:
    """A handler that its module does not know by its name."""
    return word


@duly.task(executor="process")
def note_in(ctx: Context, url: str, text: str, commit: bool = True) -> str:
    """Writes a note and completes itself in one transaction."""
    engine = create_engine(url)
    with Session(engine) as session:
        session.execute(insert(notes).values(text=text))
        ctx.progress_sync(0.9, "noted")
        ctx.complete_in_sync(session, f"noted {text}")
        if commit:
            session.commit()
    engine.dispose()
    return "this is not looked at"


LAST_RUNNING: list[Running] = []


@duly.task(executor="process")
async def quick_async(ctx: Context) -> None:
    """Leaves behind what stands behind it."""
    assert isinstance(ctx.behind, Running)
    LAST_RUNNING.append(ctx.behind)


@duly.task
def fork(ctx: Context) -> int:
    """Its copy comes back too; how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 and later: threads run
        copy = os.fork()
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) if copy else 0


@duly.task
async def fork_in_loop(ctx: Context) -> int:
    """The same, after it has waited."""
    await asyncio.sleep(0)
    return fork.task_type.function(ctx)  # type: ignore[no-any-return]
