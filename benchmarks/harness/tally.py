"""How many handlers were called, counted without any store: each process has its own few bytes in a shared folder.

Standard library only: handlers of peers, in environments of their own, use it too.
"""

import asyncio
import json
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = "BENCH_TALLY"
WATCHING = "watching"
"""A file in the folder: somebody looks at the counts."""

PAYLOAD_TEXT = "x" * (int(os.environ.get("BENCH_PAYLOAD", "200")) - 20)
RESULT_NOTE = "the work of a handler that does nothing"
PAUSES = (0.02, 0.12)
"""Seconds between two tasks of an idle system, by chance."""

LOOK = 0.005
"""Seconds between two looks at the counts."""

_lock = threading.Lock()
_views: list[memoryview] = []
os.register_at_fork(after_in_child=_views.clear)


def payload(number: int) -> dict[str, object]:
    """About 200 bytes of JSON (or what BENCH_PAYLOAD says): what every contestant is given."""
    return {"number": number, "text": PAYLOAD_TEXT}


def result(number: int) -> dict[str, object]:
    """About 60 bytes of JSON: what every handler returns."""
    return {"number": number, "note": RESULT_NOTE}


def count() -> None:
    """One handler more was called in this process."""
    with _lock:
        if not _views:
            _views.append(_own())
        _views[0][0] += 1
        if _views[0][0] == 1:
            _views[0][1] = time.monotonic_ns()


def counts(folder: str = "") -> list[int]:
    """The calls of each process so far."""
    files = Path(folder or os.environ[FOLDER]).iterdir()
    return [int.from_bytes(file.read_bytes()[:8], "little") for file in files if file.suffix == ".tally"]


def _first() -> float:
    """When the first handler of all was called."""
    files = Path(os.environ[FOLDER]).glob("*.tally")
    times = [int.from_bytes(file.read_bytes()[8:], "little") for file in files]
    return min(filter(None, times)) / 1e9


def watch(tasks: int, processes: int, done: Callable[[], int], longest: float = 300) -> None:
    """Print how long the tasks took, from the last process calling its first handler to the last outcome stored.

    What was called before all processes were at work is not counted, so that nobody's start-up is. ``done`` asks the
    contestant's own store how many outcomes it has: once, to connect, and then not before every handler was called.
    """
    done()
    _watching()
    deadline = time.monotonic() + longest
    before, begun = _all_at_work(tasks, processes, deadline)
    while sum(counts()) < tasks:
        _pause(deadline, lambda: f"{sum(counts())} of {tasks} handlers called")
    while (stored := done()) < tasks:
        _pause(deadline, lambda: f"{stored} of {tasks} outcomes stored")
    ended = time.monotonic()
    seen = {
        "tasks": tasks - before,
        "seconds": ended - begun,
        "ended": ended,
        "stored": stored,
        "called": sum(counts()),
    }
    print(json.dumps(seen), flush=True)


async def settled(tasks: int, done: Callable[[], int]) -> int:
    """Wait until so many outcomes are stored: how many. The store is not asked before every handler was called."""
    while sum(counts()) < tasks or (stored := done()) < tasks:  # noqa: ASYNC110  # other processes do it
        await asyncio.sleep(LOOK)
    return stored


def pace(tasks: int, processes: int, longest: float = 300) -> None:
    """Print how long so many calls took, from when all processes were at work, while there was more to do.

    Twice as many must wait at least: some are run before all processes are at work.
    """
    _watching()
    deadline = time.monotonic() + longest
    before, begun = _all_at_work(2 * tasks, processes, deadline)
    while (called := sum(counts()) - before) < tasks:
        _pause(deadline, lambda: f"{called} of {tasks} handlers called")
    print(json.dumps({"tasks": called, "seconds": time.monotonic() - begun}), flush=True)


def _watching() -> None:
    (Path(os.environ[FOLDER]) / WATCHING).touch()


def _all_at_work(tasks: int, processes: int, deadline: float) -> tuple[int, float]:
    """How many handlers had been called when the last process called its first, and when that was."""
    while True:
        each = [calls for calls in counts() if calls]
        if len(each) >= processes and sum(each) < tasks / 2:
            return sum(each), time.monotonic()
        if sum(each) >= tasks / 2:  # one of them did it nearly alone, or nobody looked in time: all of it counts
            return 0, _first()
        _pause(deadline, lambda: "no handler was called")


def _pause(deadline: float, what: Callable[[], str]) -> None:
    if time.monotonic() > deadline:
        raise SystemExit(f"too slow: {what()}")
    time.sleep(LOOK)


def _own() -> memoryview:
    file = Path(os.environ[FOLDER]) / f"{os.getpid()}.tally"
    file.write_bytes(bytes(16))
    with file.open("r+b") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 16)).cast("Q")
