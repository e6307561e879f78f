"""Faults of processes: killed, standing still, restarted in order, with a wrong clock."""

import asyncio
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread

from duly.stores.sql.fairlock import FairLock
from duly.torture.house import Member
from duly.torture.plan import LEASE
from duly.torture.records import Json
from duly.torture.stage import Barred, Fault, Stage

WORKERS = ("worker", "celery")
BEYOND = 2.0
"""Seconds that a stop is longer than the lease."""

KILLS = 3
BETWEEN = 4.0
"""Repeated kills, and seconds between them: nobody is to lose the same task three times by our doing."""

MOVED = ("+3600", "-3600")
"""Seconds by which the clock of a worker is moved, one after the other, and back."""


def faults(stage: Stage) -> Iterator[Fault | Barred]:
    """Those that this machine allows."""
    for roles in (("api",), WORKERS):
        name = roles[0] if stage.house.of(roles[0]) else roles[-1]
        yield Fault("kill", f"crash_recovery {name}", partial(_killed, stage, roles, 1))
        yield Fault("stop", f"stopped {name}", partial(_stopped, stage, roles))
    yield Fault("kill", "repeated_kills", partial(_killed, stage, WORKERS, KILLS))
    yield Fault("rolling", "rolling_restart", partial(_rolling, stage))
    library = _faketime()
    if library is None:
        yield Barred("skew", "libfaketime is not installed")
    elif stage.sqlite is not None:
        yield Barred("skew", "with SQLite the clock is that of the one machine, the same for all processes")
    elif not stage.house.of("worker"):
        yield Barred("skew", "Celery's own processes are not given another clock")
    else:
        yield Fault("skew", "moved_clock", partial(_skewed, stage, library))


async def _killed(stage: Stage, roles: tuple[str, ...], times: int) -> Json:
    names = []
    for number in range(times):
        if number:
            await asyncio.sleep(BETWEEN)
        member = stage.random.choice(stage.house.of(*roles))
        names.append(member.name)
        stage.house.signal(member, signal.SIGKILL)
        await asyncio.sleep(0.3)
        await stage.house.back(member)
    await stage.house.ready()
    return {"killed": names}


async def _stopped(stage: Stage, roles: tuple[str, ...]) -> Json:
    member = stage.random.choice(stage.house.of(*roles))
    await _freeze(stage, member)
    await asyncio.sleep(LEASE.total_seconds() + BEYOND)
    stage.house.signal(member, signal.SIGCONT)
    return {"stopped": member.name}


async def _freeze(stage: Stage, member: Member) -> None:
    """Not while it holds SQLite's file: nobody else could write then, as with any file."""
    stage.house.signal(member, signal.SIGSTOP)
    while stage.sqlite is not None and not await asyncio.to_thread(_writable, stage.sqlite):
        stage.house.signal(member, signal.SIGCONT)
        await asyncio.sleep(0.01)
        stage.house.signal(member, signal.SIGSTOP)


def _writable(database: Path) -> bool:
    lock = FairLock(str(database))
    trying = Thread(target=_take, args=(lock,), daemon=True)
    trying.start()
    trying.join(1)
    return not trying.is_alive()


def _take(lock: FairLock) -> None:
    with lock:
        pass
    lock.close()


async def _rolling(stage: Stage) -> Json:
    """One API and one worker are asked to end, under load, and the others only when these are back."""
    house = stage.house
    before = house.slowest_end
    house.slowest_end = 0.0
    for half in (house.members[::2], house.members[1::2]):
        async with asyncio.TaskGroup() as group:
            for member in half:
                group.create_task(_restarted(stage, member))
        await house.ready()
    slowest, house.slowest_end = house.slowest_end, max(before, house.slowest_end)
    return {"slowest_end": round(slowest, 2)}


async def _skewed(stage: Stage, library: Path) -> Json:
    """A worker's wall clock jumps an hour ahead, and back beyond; its monotonic clock goes on."""
    member = stage.random.choice(stage.house.of("worker"))
    clock = stage.folder / "clock"
    clock.write_text("+0\n")
    member.more = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    await _restarted(stage, member)
    for moved in MOVED:
        await asyncio.sleep(LEASE.total_seconds())
        clock.write_text(f"{moved}\n")
    await asyncio.sleep(LEASE.total_seconds() + BEYOND)
    member.more = {}
    await _restarted(stage, member)
    return {"moved": member.name}


async def _restarted(stage: Stage, member: Member) -> None:
    await stage.house.end(member)
    await asyncio.sleep(0.3)
    await stage.house.back(member)


def _faketime() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("**/libfaketime.so.1"))), None)
