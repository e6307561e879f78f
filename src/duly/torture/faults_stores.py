"""Faults that are done to a database from within: connections ended or taken, rows held, the disk filled."""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from duly.domain.errors import DulyError
from duly.domain.state import State
from duly.stores.sql.schema import tasks
from duly.torture.links import Link
from duly.torture.records import Json
from duly.torture.stage import Barred, Fault, Stage

HOLD = 5.0
"""Seconds."""

MOST = 200
ROWS = 10
"""Connections that are tried for, and rows that are held."""

DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy", "mariadb": "mysql+asyncmy"}
LISTED = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}
OWN = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
ENDED = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


class StoreInUse(DulyError):
    """The store has tasks of somebody else."""

    code = "store-in-use"


def faults(stage: Stage) -> Iterator[Fault | Barred]:
    """Those of the store of this run."""
    if stage.sqlite is not None:
        yield Fault("idle_in_tx", "idle_in_tx", partial(_locked, stage.sqlite))
        yield from _fill(stage)
        return
    yield Barred("fill", "the store is a server: only the disk of a SQLite file is filled")
    link = stage.store
    if link is None:
        return
    yield Fault("idle_in_tx", "idle_in_tx", partial(_idle, link))
    if not link.mine:
        for name in ("backends", "pool"):
            yield Barred(name, "the store was given, and others may use it: say --mine")
        return
    prefix = "pg" if link.kind == "postgresql" else link.kind
    yield Fault("backends", f"{prefix}_backend_kill", partial(_terminated, stage, link))
    yield Fault("pool", "pool_exhaustion", partial(_exhausted, stage, link))


def _fill(stage: Stage) -> Iterator[Fault | Barred]:
    if stage.disk is None:
        yield Barred("fill", "it needs a small file system of its own: root that may mount one, and a store of its own")
    else:
        yield Fault("fill", "disk_full", partial(_filled, stage.disk))


def engine_of(link: Link) -> AsyncEngine:
    """Past the proxy, one connection for each use."""
    url = make_url(link.url).set(drivername=DRIVERS[link.kind])
    return create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


async def refuse_used(url: str) -> None:
    """Raises StoreInUse when the store that was given has tasks of somebody."""
    if await _used(url):
        raise StoreInUse("The store has tasks: a torture would hurt them. Give it a database of its own.")


async def _used(url: str) -> bool:
    address = make_url(url)
    make = address.get_backend_name()
    if make == "sqlite":
        with closing(sqlite3.connect(str(address.database))) as file:
            return file.execute("SELECT 1 FROM duly_tasks LIMIT 1").fetchone() is not None
    engine = create_async_engine(address.set(drivername=DRIVERS[make]), poolclass=NullPool)
    async with engine.connect() as connection:
        return (await connection.execute(select(tasks.c.id).limit(1))).first() is not None


async def _terminated(stage: Stage, link: Link) -> Json:
    """About half of Duly's connections, three times."""
    ended = 0
    for _ in range(3):
        async with engine_of(link).connect() as connection:
            ended += await _end_some(stage, connection)
        await asyncio.sleep(0.5)
    return {"ended": ended, "part": "database"}


async def _end_some(stage: Stage, connection: AsyncConnection, ours: Sequence[AsyncConnection] = ()) -> int:
    make = connection.dialect.name
    kept = {(await one.execute(text(OWN[make]))).scalar() for one in ours}
    ids = [id_ for id_ in (await connection.execute(text(LISTED[make]))).scalars() if id_ not in kept]
    chosen = [id_ for id_ in ids if stage.random.random() < 0.5]  # noqa: PLR2004
    for id_ in chosen:
        with suppress(DBAPIError):  # it has just ended by itself
            await connection.execute(text(ENDED[make].format(int(id_))))
    return len(chosen)


async def _exhausted(stage: Stage, link: Link) -> Json:
    """Every connection that the server has to give is taken, and some of Duly's are ended so that it needs new ones."""
    engine = engine_of(link)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(engine.connect())
        taken = await _take_all(stack, engine)
        ended = await _end_some(stage, first, taken)
        await _take_all(stack, engine)
        await asyncio.sleep(HOLD)
    return {"taken": len(taken), "ended": ended, "part": "database"}


async def _take_all(stack: AsyncExitStack, engine: AsyncEngine) -> list[AsyncConnection]:
    taken: list[AsyncConnection] = []
    with suppress(DBAPIError, OSError, Exception):  # each driver has its own word for "too many"
        while len(taken) < MOST:
            taken.append(await stack.enter_async_context(engine.connect()))
    return taken


async def _idle(link: Link) -> Json:
    """Somebody's open transaction holds some live rows, and does nothing."""
    live = tasks.c.state.in_([State.PENDING.value, State.RUNNING.value, State.SCHEDULED.value])
    engine = engine_of(link).execution_options(isolation_level="READ COMMITTED")
    held = 0
    async with engine.connect() as connection:
        deadline = asyncio.get_running_loop().time() + HOLD
        while not held and asyncio.get_running_loop().time() < deadline:
            rows = select(tasks.c.id).where(live).limit(ROWS).with_for_update(skip_locked=True)
            held = len((await connection.execute(rows)).all())
        await asyncio.sleep(HOLD)
        await connection.rollback()
    return {"held": held, "part": "database"}


async def _locked(database: Path) -> Json:
    """Another program's open write transaction on the file."""
    await asyncio.to_thread(_lock, database)
    return {"file": database.name, "part": "database"}


def _lock(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(HOLD)
        connection.execute("ROLLBACK")


async def _filled(disk: Path) -> Json:
    """To the last byte, for a while."""
    ballast = disk / "ballast"
    size = 0
    try:
        with ballast.open("wb", buffering=0) as file:
            with suppress(OSError):
                while True:
                    size += file.write(bytes(65_536))
            deadline = asyncio.get_running_loop().time() + HOLD
            while asyncio.get_running_loop().time() < deadline:
                size += _more(file.fileno())
                await asyncio.sleep(0.05)
    finally:
        ballast.unlink(missing_ok=True)
    return {"bytes": size, "part": "database"}


def _more(file: int) -> int:
    """What little was given back meanwhile is taken too."""
    try:
        return os.write(file, bytes(4096))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return 0
