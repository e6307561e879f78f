"""Runs operations on a database server, over SQLAlchemy's asynchronous engine."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from duly.domain.errors import StoreUnavailable
from duly.stores.sql.dialect import Dialect
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.errors import OUTSIDE, Trouble
from duly.stores.sql.goodbye import briefly
from duly.stores.sql.repeat import repeated
from duly.stores.sql.runner import R, Waited


class ServerRunner:
    """A Runner. The driver waits in the event loop; the operation itself runs as a greenlet of the same thread."""

    def __init__(
        self,
        engine: AsyncEngine,
        reading: AsyncEngine,
        dialect: Dialect,
        *,
        longest: timedelta,
        waited: Waited,
        doubt: Doubt,
    ) -> None:
        self._engine = engine
        self._reading = reading
        self._dialect = dialect
        self._longest = longest
        self._waited = waited
        self._doubt = doubt
        self._closed = False

    async def read(self, operation: Callable[[Connection], R]) -> R:
        """See Runner."""
        return await self._run(self._reading, operation)

    async def write(self, operation: Callable[[Connection], R], *, urgent: bool = False) -> R:
        """See Runner. Nothing queues here, so everything is urgent."""
        del urgent
        return await self._run(self._engine, partial(_in_transaction, operation=operation))

    async def close(self) -> None:
        """See Runner. What does not say good-bye in time is left behind: a dead connection never does."""
        self._closed = True
        await briefly(self._engine.dispose())

    async def _run(self, engine: AsyncEngine, operation: Callable[[Connection], R]) -> R:
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        once = partial(self._once, engine, operation)
        return await repeated(once, OUTSIDE, self._dialect, self._longest, self._doubt)

    async def _once(self, engine: AsyncEngine, operation: Callable[[Connection], R]) -> R:
        began = time.perf_counter()
        async with engine.connect() as connection:
            self._waited(time.perf_counter() - began)
            try:
                return await connection.run_sync(operation)
            except DBAPIError as error:
                if self._dialect.diagnose(error) is Trouble.READ_ONLY:
                    await connection.invalidate()
                raise


def _in_transaction(connection: Connection, operation: Callable[[Connection], R]) -> R:
    with connection.begin():
        return operation(connection)
