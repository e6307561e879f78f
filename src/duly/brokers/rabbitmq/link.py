"""One connection to RabbitMQ that is opened when it is needed, and again after it was lost."""

import asyncio
from datetime import timedelta

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed, InvalidFrameError
from yarl import URL

from duly.brokers.rabbitmq.errors import QueueRefused, in_time, said
from duly.brokers.rabbitmq.topology import Topology
from duly.domain.errors import Misconfigured

HEARTBEAT = timedelta(seconds=10)
"""A peer that says nothing for three of these is dead."""


GOODBYE = timedelta(seconds=1)
"""A broker that does not take leave within that time is left alone."""


class Link:
    """Connects when it is asked for a channel. Every wait ends after ``longest`` with BrokerUnavailable."""

    def __init__(self, url: str, name: str, longest: timedelta) -> None:
        self._url = _address(url, name)
        self._longest = longest
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._unreadable = False

    @property
    def longest(self) -> timedelta:
        """How long a wait may be."""
        return self._longest

    async def channel(self, *, confirms: bool) -> AbstractChannel:
        """A new channel, on a new connection if need be."""
        async with in_time(self._longest, "open a channel"):
            connection = await self._connected()
            return await connection.channel(publisher_confirms=confirms)

    async def version(self) -> str:
        """What the broker calls itself."""
        async with in_time(self._longest, "connect"):
            told = (await self._connected()).server_properties
        return f"{_text(told.get('product'))} {_text(told.get('version'))}"

    async def drop(self) -> None:
        """Close the connection; what it held goes back to the broker. The next channel is on a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._unreadable = self._unreadable or _ended_by_a_message(connection)
            await _close(connection)

    def forget_unreadable(self) -> bool:
        """Whether, since this was last asked, a connection was lost to a message that cannot be decoded."""
        seen, self._unreadable = self._unreadable, False
        return seen

    async def _connected(self) -> AbstractConnection:
        async with self._lock:
            if self._connection is None or not self._connection.is_opened:
                await self.drop()
                self._connection = await aiormq.connect(self._url)
            return self._connection


class Declarer:
    """Makes queues, over one channel; a refusal costs that channel, and the next question opens another."""

    def __init__(self, link: Link, topology: Topology) -> None:
        self._link = link
        self._topology = topology
        self._channel: AbstractChannel | None = None
        self._lock = asyncio.Lock()

    async def declare(self, name: str) -> int:
        """Make the queue; returns how many messages wait in it.

        One that somebody made otherwise, or that this user may not make, is used as it is.
        Raises BrokerUnavailable, QueueRefused.
        """
        async with self._lock, in_time(self._link.longest, f"declare {name}"):
            arguments = self._topology.arguments(name)
            try:
                declared = await (await self._open()).queue_declare(name, durable=True, arguments=arguments)
            except (ChannelPreconditionFailed, ChannelAccessRefused):
                return await self._count(name)
            return declared.message_count or 0

    async def _count(self, name: str) -> int:
        try:
            declared = await (await self._open()).queue_declare(name, passive=True)
        except (ChannelNotFoundEntity, ChannelAccessRefused) as error:
            raise QueueRefused(f"RabbitMQ does not let this user have the queue {name}: {said(error)}") from error
        return declared.message_count or 0

    async def _open(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._link.channel(confirms=False)
        return self._channel


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(GOODBYE.total_seconds()):
            await connection.close()
    except TimeoutError:
        return  # nobody answers: the broker will notice


def _ended_by_a_message(connection: AbstractConnection) -> bool:
    end = connection.closing
    return end.done() and not end.cancelled() and isinstance(end.exception(), InvalidFrameError)


def _address(url: str, name: str) -> str:
    try:
        address = URL(url)
    except ValueError:
        address = URL()
    if address.scheme not in ("amqp", "amqps") or not address.host:
        raise Misconfigured("A RabbitMQ's address looks like amqp://user:password@host:5672/vhost.")
    ours = {"heartbeat": str(HEARTBEAT // timedelta(seconds=1)), "name": name}
    return str(address.update_query(ours | dict(address.query)))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)
