"""What RabbitMQ has delivered on one channel and nobody has taken yet."""

import asyncio
from dataclasses import dataclass, field

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from duly.brokers.message import Foreign, NotOurs, decode
from duly.domain.errors import BrokerUnavailable
from duly.ports.broker import Hint


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, opened."""

    tag: int
    queue: str
    content: Hint | Foreign

    @property
    def priority(self) -> int:
        """What is not ours comes last."""
        return self.content.priority if isinstance(self.content, Hint) else -1


@dataclass(slots=True)
class Inbox:
    """Fed by the channel; emptied by one caller."""

    channel: AbstractChannel
    consumers: dict[str, str] = field(default_factory=dict)
    """Consumer tags of the Duly queues that are consumed."""
    _waiting: list[Delivery] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Begin to notice the end of the channel and of its consumers."""
        self.channel.closing.add_done_callback(lambda _: self._news.set())
        self.channel.on_consumer_cancel_callbacks.add(self._lose)

    @property
    def lost(self) -> bool:
        """Whether nothing will come any more."""
        return self.channel.is_closed or not self.channel.connection.is_opened

    @property
    def filled(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    async def receive(self, queue: str, message: DeliveredMessage) -> None:
        """Take in what a consumer of this Duly queue got."""
        delivery = delivered(queue, message)
        if queue not in self.consumers:
            await self.channel.basic_nack(delivery.tag, requeue=True, wait=False)
            return
        self._waiting.append(delivery)
        self._news.set()

    async def give_back(self, queue: str) -> None:
        """Hand back what waits of this Duly queue."""
        for delivery in [one for one in self._waiting if one.queue == queue]:
            self._waiting.remove(delivery)
            await self.channel.basic_nack(delivery.tag, requeue=True, wait=False)

    async def next(self, seconds: float) -> Delivery | None:
        """The waiting message of the highest priority; None after so long, or when a consumer was lost.

        Raises BrokerUnavailable when the channel is lost.
        """
        if not self._waiting and seconds > 0 and not self.lost:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return None
        if self.lost:
            raise BrokerUnavailable("The connection to RabbitMQ was lost.")
        if not self._waiting:
            return None
        best = max(self._waiting, key=lambda delivery: delivery.priority)
        self._waiting.remove(best)
        return best

    def wake(self) -> None:
        """End the wait of ``next``."""
        self._news.set()

    def _lose(self, frame: Basic.Cancel) -> None:
        """RabbitMQ cancelled a consumer: its queue was deleted, or its node is gone."""
        for queue, tag in list(self.consumers.items()):
            if tag == frame.consumer_tag:
                del self.consumers[queue]
        self._news.set()


def delivered(queue: str, message: DeliveredMessage) -> Delivery:
    """What a message from this Duly queue turns out to be."""
    content: Hint | Foreign
    try:
        content = decode(message.body, queue)
    except NotOurs as error:
        content = Foreign(queue, message.body, str(error))
    return Delivery(message.delivery_tag or 0, queue, content)
