"""PostgreSQL's LISTEN and NOTIFY as a bell between processes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from duly.domain.errors import Misconfigured
from duly.links.ringing import Heard, WiredBell, ringing_over
from duly.ports.bell import Bell
from duly.ports.telemetry import Emit
from duly.stores.sql.postgres_connection import BriefConnection

CHANNEL = "duly_bell"
LONGEST_WAIT = timedelta(seconds=5)


def postgres_bell(
    url: str, local: Bell, emit: Emit, *, longest: timedelta = LONGEST_WAIT
) -> AbstractAsyncContextManager[WiredBell]:
    """The bell of the database at ``postgresql://…``, over a connection of its own. Raises Misconfigured.

    One NOTIFY carries all that gathered while the last one was sent: each takes a lock of the whole server at its
    commit, so they must not ride on other commits. Behind a pooler in transaction mode nothing is heard (told once as
    ``bell.deafened``), and others who listen directly still hear us.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        address = None
    if address is None or address.get_backend_name() != "postgresql":
        raise Misconfigured("A PostgreSQL's address looks like postgresql://user:password@host:5432/database.")
    dsn = address.set(drivername="postgresql").render_as_string(hide_password=False)
    return ringing_over(partial(_connected, dsn, longest), local, emit)


class _PostgresWire:
    """A Wire."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def send(self, payloads: Sequence[str]) -> None:
        """See Wire. One round trip, and no wait for the disk: a bell need not survive a crash of the server."""
        calls = ", ".join(f"pg_notify('{CHANNEL}', {_literal(payload)})" for payload in payloads)
        await self._connection.execute(f"SELECT set_config('synchronous_commit', 'off', true), {calls}")

    async def watch(self) -> None:
        """See Wire."""
        lost = asyncio.Event()
        self._connection.add_termination_listener(lambda _: lost.set())
        if not self._connection.is_closed():
            await lost.wait()


@asynccontextmanager
async def _connected(dsn: str, longest: timedelta, heard: Heard) -> AsyncIterator[_PostgresWire]:
    seconds = longest.total_seconds()
    connection = await asyncpg.connect(
        dsn,
        timeout=seconds,
        command_timeout=seconds,
        connection_class=BriefConnection,
        statement_cache_size=0,
        server_settings={"application_name": "duly-bell"},
    )
    try:
        await connection.add_listener(CHANNEL, lambda *notification: heard(notification[-1]))
        yield _PostgresWire(connection)
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await connection.close()


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
