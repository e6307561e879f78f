"""One worker's ear to its queues in RabbitMQ."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import uuid4

from duly.brokers.rabbitmq.errors import in_time
from duly.brokers.rabbitmq.inbox import Delivery, Inbox, delivered
from duly.brokers.rabbitmq.link import Declarer, Link
from duly.brokers.rabbitmq.topology import Topology
from duly.domain.errors import BrokerUnavailable
from duly.ports.broker import Hint
from duly.ports.telemetry import Emit

PREFETCH = 2
"""Messages of one queue that are delivered ahead."""

LINGER = 0.02
"""So many seconds may a take spend on gathering small messages, one by one."""


class RabbitSubscription:
    """A Subscription. Reconnects and consumes again in ``take``."""

    def __init__(self, link: Link, topology: Topology, queues: Collection[str], emit: Emit) -> None:
        self._link = link
        self._topology = topology
        self._declarer = Declarer(link, topology)
        self._wanted = frozenset(queues)
        self._emit = emit
        self._inbox: Inbox | None = None
        self._lock = asyncio.Lock()
        self._spare: list[Hint] = []

    async def take(self, limit: int, longest: timedelta) -> list[Hint]:
        """See Subscription. A backlog of small messages is gathered for some milliseconds."""
        hints: list[Hint] = []
        until = asyncio.get_running_loop().time() + longest.total_seconds()
        try:
            await self._gather(hints, limit, until)
        except BrokerUnavailable:
            await self._link.drop()
            if not hints:
                raise
        return sorted(hints, key=lambda hint: -hint.priority)

    async def consume(self, queues: Collection[str]) -> None:
        """See Subscription. When the broker is away, the next ``take`` does it."""
        self._wanted = frozenset(queues)
        if self._inbox is None:
            return
        try:
            await self._attached()
        except BrokerUnavailable:
            await self._link.drop()
        self._inbox.wake()

    async def _gather(self, hints: list[Hint], limit: int, until: float) -> None:
        loop = asyncio.get_running_loop()
        inbox = await self._attached()
        hints += self._spare
        self._spare.clear()
        while not hints:
            delivery = await inbox.next(until - loop.time())
            hints += [] if delivery is None else await self._accept(inbox, delivery)
            if not hints and loop.time() >= until:
                return
            inbox = await self._attached()
        enough = loop.time() + LINGER
        while sum(len(hint.ids) for hint in hints) < limit and loop.time() < enough:
            delivery = await inbox.next(0) or await self._fetch(inbox, hints[0].queue)
            if delivery is None:
                return
            hints += await self._accept(inbox, delivery)

    async def _fetch(self, inbox: Inbox, queue: str) -> Delivery | None:
        """The next message of this queue if there is one: what was delivered ahead is not all that waits."""
        if queue not in inbox.consumers:
            return None
        async with in_time(self._link.longest, "get"):
            message = await inbox.channel.basic_get(self._topology.queue_for(queue))
        return None if message.delivery_tag is None else delivered(queue, message)

    async def _attached(self) -> Inbox:
        """The inbox, with a consumer for each wanted queue and no other."""
        async with self._lock:
            inbox = self._inbox
            if inbox is not None and not inbox.lost and inbox.consumers.keys() == self._wanted:
                return inbox
            return await self._attach()

    async def _attach(self) -> Inbox:
        inbox = self._inbox
        if inbox is None or inbox.lost:
            await self._link.drop()
            if self._link.forget_unreadable():
                await self._read_away()
            inbox = Inbox(await self._link.channel(confirms=False))
            inbox.open()
            async with in_time(self._link.longest, "limit deliveries"):
                await inbox.channel.basic_qos(prefetch_count=PREFETCH)
            with suppress(BrokerUnavailable):  # not allowed to: work goes on without
                await self._declarer.declare(self._topology.dead_letters)
            self._inbox = inbox
        wanted = self._wanted
        for queue in sorted(inbox.consumers.keys() - wanted):
            await self._leave(inbox, queue)
        for queue in sorted(wanted - inbox.consumers.keys()):
            await self._enter(inbox, queue)
        return inbox

    async def _enter(self, inbox: Inbox, queue: str) -> None:
        name = self._topology.queue_for(queue)
        await self._declarer.declare(name)
        inbox.consumers[queue] = tag = f"duly-{uuid4().hex}"
        async with in_time(self._link.longest, f"consume {name}"):
            await inbox.channel.basic_consume(name, partial(inbox.receive, queue), consumer_tag=tag)

    async def _leave(self, inbox: Inbox, queue: str) -> None:
        tag = inbox.consumers.pop(queue)
        async with in_time(self._link.longest, f"leave {queue}"):
            await inbox.channel.basic_cancel(tag)
            await inbox.give_back(queue)

    async def _accept(self, inbox: Inbox, delivery: Delivery) -> list[Hint]:
        content = delivery.content
        async with in_time(self._link.longest, "acknowledge"):
            if isinstance(content, Hint):
                await inbox.channel.basic_ack(delivery.tag, wait=False)
                return [content]
            await inbox.channel.basic_nack(delivery.tag, requeue=False, wait=False)  # to the dead letters
        self._refuse(content.queue, content.reason, len(content.body))
        return []

    async def _read_away(self) -> None:
        """Remove a message that cannot even be decoded, or each delivery of it would end another connection.

        It is among the first of one of the queues. What else is found there is taken.
        """
        for queue in sorted(self._wanted):
            for _ in range(PREFETCH):
                channel = await self._link.channel(confirms=False)
                try:
                    async with in_time(self._link.longest, "get"):
                        message = await channel.basic_get(self._topology.queue_for(queue), no_ack=True)
                except BrokerUnavailable:
                    await self._link.drop()
                    if not self._link.forget_unreadable():
                        raise
                    self._refuse(queue, "cannot be decoded", 0)
                    continue
                if message.delivery_tag is None:
                    break
                content = delivered(queue, message).content
                if isinstance(content, Hint):
                    self._spare.append(content)

    def _refuse(self, queue: str, cause: str, size_bytes: int) -> None:
        self._emit("hint.refused", {"queue": queue, "cause": cause, "bytes": size_bytes})
