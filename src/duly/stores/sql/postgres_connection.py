"""A connection to PostgreSQL that ends in a moment, whatever has become of its wire."""

import asyncio
from datetime import timedelta

import asyncpg  # type: ignore[import-untyped]

GOODBYE = timedelta(seconds=0.25)
"""A pool has several, and closes them while somebody waits for the end of the process."""


class BriefConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Its driver would wait without limit for the end of a call that was cancelled, and two seconds for a good-bye."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the driver's own signature
        """Say good-bye, or end without a word. Raises TimeoutError then."""
        del timeout
        async with asyncio.timeout(GOODBYE.total_seconds()):
            await super().close()
