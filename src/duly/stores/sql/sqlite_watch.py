"""Notices that another process has written to a SQLite file: the bell between processes on one machine."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy.engine import make_url

LOOK_EVERY = timedelta(milliseconds=20)
"""One look costs a few microseconds: SQLite compares a counter in shared memory and reads no page."""


def watched_file(url: str) -> Path | None:
    """The file of a SQLite address; None for other databases and for one that lives in memory."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database or address.database == ":memory:":
        return None
    return Path(address.database)


async def watch(file: Path, changed: Callable[[], None], every: timedelta = LOOK_EVERY) -> None:
    """Call ``changed`` soon after each commit of any other connection, until cancelled.

    It reads ``PRAGMA data_version`` (SQLite's manual, "PRAGMA Statements"), which differs once another connection has
    committed. What goes wrong here goes unnoticed: a bell is a hint, and whoever listens also looks by himself.
    """
    connection = _reading(file)
    try:
        seen = _version(connection)
        while True:
            await asyncio.sleep(every.total_seconds())
            now = _version(connection)
            if now != seen:
                seen = now
                changed()
    finally:
        connection.close()


def _reading(file: Path) -> sqlite3.Connection:
    address = f"{file.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=0, check_same_thread=False)


def _version(connection: sqlite3.Connection) -> int | None:
    try:
        row = connection.execute("PRAGMA data_version").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else int(row[0])
