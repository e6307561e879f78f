"""Which of Duly's tasks a number stands for: Redis is asked first, then the table, and Redis told."""

from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from sqlalchemy import select

from app.settings import settings
from app.table import database, rows

SECONDS = 60
"""So long Redis keeps it. It never changes, so it cannot be stale; the task's state is in Duly's own cache."""
LONGEST_WAIT = 0.5

redis = Redis.from_url(
    settings.cache_url or "redis://127.0.0.1:6379/0",
    socket_timeout=LONGEST_WAIT,
    socket_connect_timeout=LONGEST_WAIT,
    retry=Retry(NoBackoff(), 0),
    decode_responses=True,
)


async def keep(number: int, task_id: UUID) -> None:
    """Tell Redis; without Redis nothing is lost."""
    with suppress(RedisError):
        await redis.set(_key(number), str(task_id), ex=SECONDS)


async def find(number: int) -> UUID | None:
    """The task's id; None: there is no such number."""
    with suppress(RedisError):
        held = await redis.get(_key(number))
        if held is not None:
            return UUID(str(held))
    async with database.connect() as connection:
        found: UUID | None = await connection.scalar(select(rows.c.task_id).where(rows.c.id == number))
    if found is not None:
        await keep(number, found)
    return found


def _key(number: int) -> str:
    return f"reversal:task:{number}"
