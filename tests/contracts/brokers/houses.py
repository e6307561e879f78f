"""Where the broker contract runs: memory, and each real broker under names of its own."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import uuid4

import aiormq
from pamqp.commands import Basic
from redis.asyncio import Redis

from duly.brokers.memory import MemoryBroker
from duly.brokers.rabbitmq.broker import open_rabbitmq_broker
from duly.brokers.redis import open_redis_broker
from duly.ports.broker import Broker
from tests.support.servers import shared_rabbitmq_url, shared_redis_url

KINDS = ("memory", "redis", "rabbitmq")
WIRED = ("redis", "rabbitmq")


class Told:
    """Counts the events that an adapter emits."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, object]]] = []

    def __call__(self, name: str, facts: Mapping[str, object]) -> None:
        self.events.append((name, facts))

    @property
    def counted(self) -> Counter[str]:
        return Counter(name for name, _ in self.events)


class House(Protocol):
    """One broker's place that can be opened again and again."""

    kind: str
    told: Told

    def open(self) -> AbstractAsyncContextManager[Broker]: ...

    async def put(self, queue: str, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        """Put something of somebody else's where hints of the queue are."""
        ...

    async def dead_letters(self) -> list[bytes]: ...

    async def clean(self) -> None: ...


class MemoryHouse:
    kind = "memory"

    def __init__(self) -> None:
        self.told = Told()
        self._broker = MemoryBroker()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Broker]:
        yield self._broker

    async def put(self, queue: str, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        raise NotImplementedError

    async def dead_letters(self) -> list[bytes]:
        return []

    async def clean(self) -> None:
        pass


class RedisHouse:
    kind = "redis"

    def __init__(self, url: str | None = None) -> None:
        self.told = Told()
        self.url = url or shared_redis_url()
        self.prefix = f"duly_test_{uuid4().hex[:12]}"

    def open(self) -> AbstractAsyncContextManager[Broker]:
        return open_redis_broker(self.url, self.told, prefix=self.prefix)

    async def put(self, queue: str, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        del headers  # Redis has none
        async with Redis.from_url(self.url) as redis:
            await redis.rpush(f"{self.prefix}:hints:5:{queue}", body)

    async def dead_letters(self) -> list[bytes]:
        async with Redis.from_url(self.url) as redis:
            return await redis.lrange(f"{self.prefix}:dead-letters", 0, -1)

    async def clean(self) -> None:
        """Every key of ours has an end."""
        async with Redis.from_url(self.url) as redis:
            keys = [key async for key in redis.scan_iter(f"{self.prefix}:*")]
            lives = [await redis.ttl(key) for key in keys]
            if keys:
                await redis.delete(*keys)
        assert all(life > 0 for life in lives)


class RabbitHouse:
    kind = "rabbitmq"

    def __init__(self, url: str | None = None) -> None:
        self.told = Told()
        self.url = url or shared_rabbitmq_url()
        self.prefix = f"duly_test_{uuid4().hex[:12]}"
        self.queues: set[str] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Broker]:
        async with open_rabbitmq_broker(self.url, self.told, prefix=self.prefix) as broker:
            yield broker
            self.queues |= {line.split()[1].rstrip(":") for line in (await broker.facts()).topology}

    async def put(self, queue: str, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        async with aiormq.connect(self.url) as connection:
            channel = await connection.channel()
            properties = Basic.Properties(headers=dict(headers or {}))  # type: ignore[arg-type]
            await channel.basic_publish(
                body, routing_key=f"{self.prefix}.hints.{queue}", mandatory=True, properties=properties
            )

    async def dead_letters(self) -> list[bytes]:
        found = []
        async with aiormq.connect(self.url) as connection:
            channel = await connection.channel()
            while (message := await channel.basic_get(f"{self.prefix}.dead-letters")).delivery_tag:
                found.append(message.body)
        return found

    async def clean(self) -> None:
        async with aiormq.connect(self.url) as connection:
            channel = await connection.channel()
            for queue in self.queues:
                await channel.queue_delete(queue)


def house(kind: str) -> House:
    match kind:
        case "memory":
            return MemoryHouse()
        case "redis":
            return RedisHouse()
        case _:
            return RabbitHouse()
