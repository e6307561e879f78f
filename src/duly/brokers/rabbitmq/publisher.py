"""Hands messages to RabbitMQ, each confirmed and none to a queue that is not there."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from aiormq.abc import AbstractChannel
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from duly.brokers.rabbitmq.errors import OUTSIDE, QueueRefused, in_time, said
from duly.brokers.rabbitmq.link import Declarer, Link
from duly.brokers.rabbitmq.topology import Topology
from duly.domain.errors import BrokerUnavailable
from duly.ports.telemetry import Emit

TRANSIENT = 1
"""Delivery mode: a hint is not worth a write to disk (four times the rate, see docs/adr)."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to hand over."""

    queue: str
    """By its name in RabbitMQ."""
    body: bytes
    priority: int


class _Outcome(Enum):
    CONFIRMED = auto()
    RETURNED = auto()
    """There is no such queue."""
    REFUSED = auto()
    """The queue is full."""


class Publisher:
    """Publishes on one channel."""

    def __init__(self, link: Link, topology: Topology, emit: Emit) -> None:
        self._link = link
        self._emit = emit
        self._refused: set[str] = set()
        self._declarer = Declarer(link, topology)
        self._channel: AbstractChannel | None = None
        self._lock = asyncio.Lock()
        self._numbers = 0

    async def publish(self, messages: Sequence[Message]) -> int:
        """Returns once all are confirmed, with the number of those that a full queue refused.

        A queue that is missing is declared; what was for one that cannot be is left out. Raises BrokerUnavailable.
        """
        try:
            return await self._publish(messages)
        except BrokerUnavailable:
            await self._link.drop()  # it may be dead without a word: the next announcement tries a new connection
            raise

    async def declare(self, queues: Collection[str]) -> dict[str, int]:
        """Make these queues; returns how many messages wait in each."""
        return {queue: await self._declarer.declare(queue) for queue in sorted(queues)}

    async def declare_allowed(self, queues: Collection[str]) -> dict[str, int]:
        """The same without those that this user may not have, each of which is told once."""
        waiting: dict[str, int] = {}
        for queue in sorted(queues):
            try:
                waiting[queue] = await self._declarer.declare(queue)
                self._refused.discard(queue)
            except QueueRefused as error:
                self._tell(queue, error)
        return waiting

    def _tell(self, queue: str, error: QueueRefused) -> None:
        if queue not in self._refused:
            self._refused.add(queue)
            self._emit("broker.refused", {"error": str(error)})

    async def _publish(self, messages: Sequence[Message]) -> int:
        outcomes = await self._all(messages)
        returned = [message for message, outcome in outcomes if outcome is _Outcome.RETURNED]
        if returned:
            there = await self.declare_allowed({message.queue for message in returned})
            outcomes += await self._all([message for message in returned if message.queue in there])
            if any(outcome is _Outcome.RETURNED for _, outcome in outcomes[len(messages) :]):
                raise BrokerUnavailable("RabbitMQ did not route messages to queues that were just declared.")
        return sum(outcome is _Outcome.REFUSED for _, outcome in outcomes)

    async def _all(self, messages: Sequence[Message]) -> list[tuple[Message, _Outcome]]:
        channel = await self._opened()
        errors: list[BaseException] = []

        async def publish(message: Message) -> tuple[Message, _Outcome] | None:
            try:
                return message, await self._one(channel, message)
            except OUTSIDE as error:
                errors.append(error)
                return None

        async with in_time(self._link.longest, "publish"), asyncio.TaskGroup() as group:
            tasks = [group.create_task(publish(message)) for message in messages]
        outcomes = [task.result() for task in tasks if not task.cancelled()]
        known = [outcome for outcome in outcomes if outcome is not None]
        if len(known) < len(messages):
            why = said(errors[0]) if errors else "the connection was closed"
            raise BrokerUnavailable(f"RabbitMQ did not confirm what was published: {why}") from next(iter(errors), None)
        return known

    async def _one(self, channel: AbstractChannel, message: Message) -> _Outcome:
        self._numbers += 1
        properties = Basic.Properties(
            content_type="application/json",
            delivery_mode=TRANSIENT,
            priority=message.priority,
            message_id=str(self._numbers),  # aiormq finds by it what was returned
        )
        try:
            await channel.basic_publish(message.body, routing_key=message.queue, properties=properties, mandatory=True)
        except PublishError:
            return _Outcome.RETURNED
        except DeliveryError:
            return _Outcome.REFUSED
        return _Outcome.CONFIRMED

    async def _opened(self) -> AbstractChannel:
        async with self._lock:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.channel(confirms=True)
            return self._channel
