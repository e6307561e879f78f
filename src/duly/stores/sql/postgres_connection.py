"""A connection to PostgreSQL that ends in a moment, whatever has become of its wire."""

from datetime import timedelta

import asyncpg  # type: ignore[import-untyped]

from duly.stores.sql.goodbye import briefly

GOODBYE = timedelta(seconds=0.1)
"""So long is waited for the server to hang up after it was told. A pool has ten connections, and closes one by one."""


class BriefConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Its driver would wait without limit for the end of a call that was cancelled, and two seconds for a good-bye."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the driver's own signature
        """Say good-bye, or end without a word: asyncpg aborts what it cannot close in time."""
        del timeout
        await briefly(super().close(), GOODBYE)
