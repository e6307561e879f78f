"""How a server is asked: within a time limit, and again when two transactions got into each other's way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from duly.domain.errors import StoreUnavailable
from duly.links.cancels import cancels
from duly.stores.sql.dialect import Dialect
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.errors import Trouble, translated
from duly.stores.sql.runner import MAX_TRIES, R


async def repeated(
    attempt: Callable[[], Awaitable[R]],
    errors: tuple[type[Exception], ...],
    dialect: Dialect,
    longest: timedelta,
    doubt: Doubt,
) -> R:
    """The attempt's outcome. A conflict, which the server has undone, is tried again; other errors become ours."""
    tries, cancels_before = 0, cancels()
    while True:
        tries, began = tries + 1, time.monotonic()
        try:
            async with asyncio.timeout(longest.total_seconds()):
                return await attempt()
        except errors as error:
            if cancels() > cancels_before:
                # A driver whose connection dies while its caller is cancelled may tell of the connection only.
                raise asyncio.CancelledError from error
            trouble = dialect.diagnose(error)
            if trouble is Trouble.CONFLICT and tries < MAX_TRIES:
                continue
            if isinstance(error, TimeoutError):
                doubt.cast(began)
                raise StoreUnavailable(f"The database did not answer within {longest}.") from error
            raise translated(error, trouble) from error
