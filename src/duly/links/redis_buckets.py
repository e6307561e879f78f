"""Token buckets in Redis or Valkey, so that many API processes count as one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256

from redis.asyncio import Redis

from duly.links.cancels import heeding
from duly.links.redis import OUTSIDE, redis_at, said
from duly.ports.counter import CounterUnavailable, Taken

LONGEST_WAIT = timedelta(milliseconds=250)
"""A request waits no longer to be counted."""

TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local each, amount, tokens = tonumber(ARGV[1]) / ARGV[2], tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(now, tonumber(redis.call('MGET', KEYS[1])[1] or '') or 0)
local allowed = amount - (full_at - now) / each > 0.999999
if allowed or ARGV[4] == 'owe' then
  allowed = true
  full_at = full_at + tokens * each
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
return {allowed and 1 or 0, string.format('%.0f', full_at - now)}
"""
"""A bucket is known by when it will be full, in microseconds of the server's clock, and is gone when it is.

MGET, because GET fails on a key that somebody else made a list or a hash of; SET replaces it.
"""


@asynccontextmanager
async def open_redis_buckets(
    url: str, *, prefix: str = "duly", longest: timedelta = LONGEST_WAIT
) -> AsyncIterator["RedisBuckets"]:
    """The buckets at ``redis://…`` or ``rediss://…``; connects when they are used. Raises Misconfigured."""
    async with redis_at(url, "duly-limits", longest) as client:
        yield RedisBuckets(client, prefix)


class RedisBuckets:
    """A Counter. Each key is ``<prefix>:limit:<hash of the name>`` and ends when its bucket is full."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._script = client.register_script(TAKE)

    async def take(self, name: str, tokens: int, *, amount: int, per: timedelta) -> Taken:
        """See Counter."""
        return await self._run(name, tokens, amount, per, "ask")

    async def owe(self, name: str, tokens: int, *, amount: int, per: timedelta) -> Taken:
        """See Counter."""
        return await self._run(name, tokens, amount, per, "owe")

    async def _run(self, name: str, tokens: int, amount: int, per: timedelta, how: str) -> Taken:
        key = f"{self._prefix}:limit:{sha256(name.encode()).hexdigest()[:32]}"
        try:
            asked = self._script(keys=[key], args=[per // timedelta(microseconds=1), amount, tokens, how])
            allowed, missing = await heeding(asked)
        except OUTSIDE as error:
            raise CounterUnavailable(said(error)) from error
        return Taken(bool(allowed), timedelta(microseconds=int(missing)))
