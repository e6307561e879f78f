"""How work is made known to many machines. A broker carries hints, never truth: ids, which may be lost or doubled.

Nothing depends on a hint: the relay announces again what nobody claimed, and a worker whose broker is away looks in the
database itself. A broker never sees a payload.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from duly.domain.task import TaskId

MAX_IDS = 100
"""Ids in one message, at most: one id a message costs ten times as much (benchmarks of the floor, RabbitMQ)."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Tasks of one queue and one priority that are ready, 1 to MAX_IDS of them."""

    queue: str
    priority: int
    ids: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What `/v1/capabilities` and `duly doctor` tell of a broker."""

    kind: str
    """``memory``, ``rabbitmq``, ``redis``, ``celery``."""
    version: str
    warnings: tuple[str, ...] = ()
    """What is set up in a way that costs time or hints (an eviction policy, a missing permission), with what to do."""
    topology: tuple[str, ...] = ()
    """What Duly has in the broker (its queues or keys) and under which rules, one line each."""


class Announcer(Protocol):
    """Makes ready tasks known."""

    async def announce(self, hints: Sequence[Hint]) -> None:
        """Hand over all hints; returns once the broker has confirmed them. Raises BrokerUnavailable.

        After an error some may have been handed over: announced again, they are doubled, which does no harm.
        """
        ...

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """About how many messages wait in each of these queues; one that the broker refuses is left out.

        Raises BrokerUnavailable.
        """
        ...

    async def facts(self) -> BrokerFacts:
        """Asked from the broker now. Raises BrokerUnavailable."""
        ...

    async def close(self) -> None:
        """Give back all connections. May be called twice."""
        ...


class Subscription(Protocol):
    """One worker's ear to its queues."""

    async def take(self, limit: int, longest: timedelta) -> list[Hint]:
        """Hints of about ``limit`` ids, highest priority first; waits for the first one for so long at most.

        What is returned is acknowledged: from here on the database's lease guards the tasks, not the broker. One
        message may exceed the limit; at most two more of each queue are held back. Raises BrokerUnavailable; taking
        again after that connects again. One caller at a time.
        """
        ...

    async def consume(self, queues: Collection[str]) -> None:
        """From now on take from these queues only (paused ones are left out). Unknown ones are declared."""
        ...


class Broker(Announcer, Protocol):
    """Makes ready tasks known to Duly's own workers."""

    def subscribe(self, queues: Collection[str]) -> AbstractAsyncContextManager[Subscription]:
        """Listen to these queues for as long as the context is open. Connects with the first ``take``."""
        ...
