"""What Duly has in a RabbitMQ, under which names and rules."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from aiormq.abc import ArgumentsType

from duly.domain.task import HIGHEST_PRIORITY

MAX_MESSAGES = 10_000
"""So many messages wait in one queue; what comes on top is refused, and the relay finds its tasks."""

UNUSED_FOR = timedelta(days=7)
"""A queue that nobody declares or consumes for so long is removed by the broker: none is left without an owner."""

MAX_FOREIGN, MAX_FOREIGN_SIZE = 1_000, 16 * 1024 * 1024

MAX_NAME_SIZE = 240
"""AMQP's names have at most 255 bytes; a Duly queue's may have more."""


@dataclass(frozen=True, slots=True)
class Topology:
    """One queue of RabbitMQ per Duly queue, which keeps all ten priorities in order by itself."""

    prefix: str
    max_messages: int = MAX_MESSAGES

    @property
    def dead_letters(self) -> str:
        """Where messages go that are not ours."""
        return f"{self.prefix}.dead-letters"

    def queue_for(self, queue: str) -> str:
        """The name of a Duly queue's: what AMQP does not allow is escaped, and a long name ends in its hash."""
        name = f"{self.prefix}.hints.{_escaped(queue)}"
        if len(name) <= MAX_NAME_SIZE:
            return name
        return f"{name[: MAX_NAME_SIZE - 33]}@{hashlib.sha256(queue.encode()).hexdigest()[:32]}"

    def arguments(self, name: str) -> ArgumentsType:
        """How a queue is declared: always alike, or RabbitMQ refuses (its manual, "Queues: property equivalence")."""
        if name == self.dead_letters:
            return {
                "x-queue-type": "classic",
                "x-max-length": MAX_FOREIGN,
                "x-max-length-bytes": MAX_FOREIGN_SIZE,
            }
        return {
            "x-queue-type": "classic",
            "x-max-priority": HIGHEST_PRIORITY,
            "x-max-length": self.max_messages,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead_letters,
            "x-expires": UNUSED_FOR // timedelta(milliseconds=1),
        }

    def rule(self, name: str) -> str:
        """In words."""
        if name == self.dead_letters:
            return f"queue {name}: durable, the last {MAX_FOREIGN} messages that are not Duly's"
        return (
            f"queue {name}: durable, classic, priorities 0 to {HIGHEST_PRIORITY}, {self.max_messages} messages at most,"
            f" removed when unused for {UNUSED_FOR.days} days"
        )


def _escaped(queue: str) -> str:
    """AMQP's names have neither a percent sign nor a tilde (clients check that): a plus sign escapes."""
    return quote(queue, safe=" :@#,/").replace("~", "%7E").replace("%", "+")
