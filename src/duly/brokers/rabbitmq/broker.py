"""RabbitMQ as a broker."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.brokers.message import encode
from duly.brokers.rabbitmq.link import Link
from duly.brokers.rabbitmq.publisher import Message, Publisher
from duly.brokers.rabbitmq.subscription import RabbitSubscription
from duly.brokers.rabbitmq.topology import Topology
from duly.ports.broker import BrokerFacts, Hint
from duly.ports.telemetry import Emit

LONGEST_WAIT = timedelta(seconds=5)
"""So long may one call take: connecting, publishing, declaring."""


@asynccontextmanager
async def open_rabbitmq_broker(
    url: str, emit: Emit, *, prefix: str = "duly", longest: timedelta = LONGEST_WAIT
) -> AsyncIterator["RabbitBroker"]:
    """The broker at ``amqp://…`` or ``amqps://…``; connects when it is used. Raises Misconfigured."""
    broker = RabbitBroker(url, Topology(prefix), longest, emit)
    try:
        yield broker
    finally:
        await broker.close()


class RabbitBroker:
    """A Broker. Announces on one connection; each subscription has its own, as RabbitMQ's manual advises."""

    def __init__(self, url: str, topology: Topology, longest: timedelta, emit: Emit) -> None:
        self._url = url
        self._topology = topology
        self._longest = longest
        self._emit = emit
        self._link = Link(url, "duly-announcer", longest)
        self._publisher = Publisher(self._link, topology, emit)
        self._used: set[str] = set()

    async def announce(self, hints: Sequence[Hint]) -> None:
        """See Announcer. What a full queue refuses is left to the relay, and told."""
        messages = [Message(self._named(hint.queue), encode(hint), hint.priority) for hint in hints]
        refused = await self._publisher.publish(messages)
        if refused:
            self._emit("broker.full", {"refused": refused, "queues": sorted({hint.queue for hint in hints})})

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """See Announcer."""
        waiting = await self._publisher.declare_allowed({self._named(queue) for queue in queues})
        return {queue: waiting[name] for queue in queues if (name := self._named(queue)) in waiting}

    async def facts(self) -> BrokerFacts:
        """See Announcer."""
        version = await self._link.version()
        waiting = await self._publisher.declare({*self._used, self._topology.dead_letters})
        foreign = waiting[self._topology.dead_letters]
        put_aside = f"{foreign} messages that are not Duly's were put aside in {self._topology.dead_letters}."
        rules = tuple(self._topology.rule(name) for name in sorted(waiting))
        return BrokerFacts("rabbitmq", version, (put_aside,) if foreign else (), rules)

    async def close(self) -> None:
        """See Announcer."""
        await self._link.drop()

    @asynccontextmanager
    async def subscribe(self, queues: Collection[str]) -> AsyncIterator[RabbitSubscription]:
        """See Broker."""
        link = Link(self._url, "duly-worker", self._longest)
        subscription = RabbitSubscription(link, self._topology, queues, self._emit)
        try:
            yield subscription
        finally:
            await link.drop()

    def _named(self, queue: str) -> str:
        name = self._topology.queue_for(queue)
        self._used.add(name)
        return name
