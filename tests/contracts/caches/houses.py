"""Where the cache contract runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from redis.asyncio import Redis

from duly.caches.memory import MemoryCache
from duly.caches.redis import open_redis_cache
from duly.ports.cache import Cache
from duly.testing.clock import FakeClock
from tests.support.servers import shared_redis_url

KINDS = ("memory", "redis")


@asynccontextmanager
async def two_of(kind: str, clock: FakeClock) -> AsyncIterator[tuple[Cache, Cache]]:
    """Two clients of one cache; within one process that is one. Every key that is left has an end."""
    if kind == "memory":
        cache = MemoryCache(clock)
        yield cache, cache
        return
    prefix = f"duly_test_{uuid4().hex[:12]}"
    url = shared_redis_url()
    how = {"prefix": prefix, "longest": timedelta(seconds=20)}
    async with open_redis_cache(url, **how) as one, open_redis_cache(url, **how) as other:
        yield one, other
    async with Redis.from_url(url) as redis:
        keys = [key async for key in redis.scan_iter(f"{prefix}:*")]
        lives = [await redis.ttl(key) for key in keys]
        if keys:
            await redis.delete(*keys)
    assert all(life > 0 for life in lives)
