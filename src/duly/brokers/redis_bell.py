"""Redis's publish and subscribe as a bell between processes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from duly.links.cancels import heeding
from duly.links.redis import LONGEST_WAIT, call_all, check_address, redis_at
from duly.links.ringing import Heard, WiredBell, ringing_over
from duly.ports.bell import Bell
from duly.ports.telemetry import Emit


def redis_bell(
    url: str, local: Bell, emit: Emit, *, prefix: str = "duly", longest: timedelta = LONGEST_WAIT
) -> AbstractAsyncContextManager[WiredBell]:
    """The bell at ``redis://…`` or ``rediss://…``: one channel, ``<prefix>:bell``. It leaves no key behind.

    Raises Misconfigured.
    """
    check_address(url)
    return ringing_over(partial(_connected, url, f"{prefix}:bell", longest), local, emit)


class _RedisWire:
    """A Wire: publishes on one connection and listens on another, as Redis wants it."""

    def __init__(self, client: Redis, ears: PubSub, channel: str, heard: Heard) -> None:
        self._client = client
        self._ears = ears
        self._channel = channel
        self._heard = heard

    async def send(self, payloads: Sequence[str]) -> None:
        """See Wire."""
        for answer in await call_all(self._client, [("PUBLISH", self._channel, payload) for payload in payloads]):
            if isinstance(answer, Exception):
                raise answer

    async def watch(self) -> None:
        """See Wire."""
        while True:
            arrived = await heeding(self._ears.get_message(ignore_subscribe_messages=True, timeout=None))
            if arrived is not None:
                self._heard(arrived["data"].decode(errors="replace"))


@asynccontextmanager
async def _connected(url: str, channel: str, longest: timedelta, heard: Heard) -> AsyncIterator[_RedisWire]:
    async with redis_at(url, "duly-bell", longest) as client, client.pubsub() as ears:
        await heeding(ears.subscribe(channel))
        yield _RedisWire(client, ears, channel, heard)
