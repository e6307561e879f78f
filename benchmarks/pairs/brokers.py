"""Brokers of our own, and what may happen to one: stopped, purged, cut off."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import aiormq
from redis import Redis

from duly.brokers.celery.application import address_of, celery_application
from duly.brokers.rabbitmq.topology import Topology
from tests.support.servers import RabbitServer, RedisServer

QUEUES = ("default", "slow")


class Broker(Protocol):
    """One broker under fire."""

    env: Mapping[str, str]
    """The settings of everybody who uses it."""

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """End it without a word."""

    def freeze(self) -> None:
        """From now on it holds its connections and answers nobody."""

    def thaw(self) -> None:
        """It goes on."""

    def purge(self) -> int:
        """Remove what it holds. Returns how many messages that were."""
        ...

    def cut(self) -> None:
        """Close every connection from its side."""

    def left(self) -> str:
        """What it still holds, ready or unacknowledged, in words; empty: nothing."""
        ...


class NoBroker:
    """Workers look in the database."""

    env: Mapping[str, str] = {}

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def purge(self) -> int:
        return 0

    def cut(self) -> None: ...

    def left(self) -> str:
        return ""


class RabbitMq:
    """A RabbitMQ."""

    def __init__(self, folder: Path) -> None:
        self._server = RabbitServer(folder)
        self.env: Mapping[str, str] = {"DULY_BROKER_URL": self._server.url}
        self.start, self.kill, self.cut = self._server.start, self._server.kill, self._server.cut_all
        self.freeze, self.thaw = self._server.freeze, self._server.thaw

    def purge(self) -> int:
        return asyncio.run(self._purge())

    def left(self) -> str:
        """By the broker's own counters."""
        counters = ("name", "messages_ready", "messages_unacknowledged")
        lines = self._server.control("list_queues", "--no-table-headers", *counters).splitlines()
        return "; ".join(" ".join(line.split("\t")) for line in lines if line.split("\t")[1:] != ["0", "0"])

    async def _purge(self) -> int:
        topology = Topology("duly")
        async with aiormq.connect(self._server.url) as connection:
            channel = await connection.channel()
            return sum([(await channel.queue_purge(topology.queue_for(name))).message_count or 0 for name in QUEUES])


class RedisParts:
    """A Redis that is broker, bell and cache, and so loses all three at once."""

    def __init__(self, folder: Path) -> None:
        self._server = RedisServer(folder)
        self.env: Mapping[str, str] = {f"DULY_{part}_URL": self._server.url for part in ("BROKER", "BELL", "CACHE")}
        self.start, self.kill = self._server.start, self._server.kill
        self.freeze, self.thaw = self._server.freeze, self._server.thaw

    def purge(self) -> int:
        with Redis.from_url(self._server.url) as redis:
            held = sum(redis.llen(key) for key in redis.scan_iter("duly:hints:*"))
            redis.flushall()
        return held

    def cut(self) -> None:
        with Redis.from_url(self._server.url) as redis:
            for kind in ("normal", "pubsub"):
                redis.client_kill_filter(_type=kind, skipme=True)

    def left(self) -> str:
        with Redis.from_url(self._server.url) as redis:
            keys = [*redis.scan_iter("duly:hints:*"), *redis.scan_iter("duly:dead-letters*")]
            return "; ".join(f"{key.decode()} {redis.llen(key)}" for key in sorted(keys))


class CeleryBroker:
    """A Redis over which Celery hands out tasks."""

    def __init__(self, folder: Path) -> None:
        self._server = RedisServer(folder)
        self.env: Mapping[str, str] = {"DULY_BROKER_URL": f"celery+{self._server.url}"}
        self.start, self.kill = self._server.start, self._server.kill
        self.freeze, self.thaw = self._server.freeze, self._server.thaw

    def purge(self) -> int:
        with Redis.from_url(self._server.url) as redis:
            held = sum(redis.llen(key) for key in self._lists(redis))
            redis.flushall()
        return held

    def cut(self) -> None:
        with Redis.from_url(self._server.url) as redis:
            for kind in ("normal", "pubsub"):
                redis.client_kill_filter(_type=kind, skipme=True)

    def left(self) -> str:
        """What killed workers had taken ahead is put back now; Celery does that after an hour."""
        self._put_back()
        with Redis.from_url(self._server.url) as redis:
            held = {key.decode(): redis.llen(key) for key in self._lists(redis)}
            held["unacked"] = redis.hlen("unacked")
            return "; ".join(f"{name!r} {count}" for name, count in sorted(held.items()) if count)

    def _put_back(self) -> None:
        app = celery_application(address_of(self.env["DULY_BROKER_URL"]))
        with app.connection_for_write(transport_options={"visibility_timeout": 0}) as connection:
            connection.default_channel.qos.restore_visible()

    def _lists(self, redis: "Redis[bytes]") -> list[bytes]:
        """One for each queue and priority."""
        return [key for queue in QUEUES for key in redis.scan_iter(f"{queue}*", _type="list")]


def broker_of(kind: str, folder: Path) -> Broker:
    """The broker of this kind, not started yet."""
    match kind:
        case "rabbitmq":
            return RabbitMq(folder)
        case "redis":
            return RedisParts(folder)
        case "celery":
            return CeleryBroker(folder)
        case _:
            return NoBroker()
