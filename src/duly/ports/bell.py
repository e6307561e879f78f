"""How idle processes are woken. A bell is a hint: whoever listens also looks by himself now and then."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from duly.domain.task import TaskId


def queue_topic(queue: str) -> str:
    """Rung when tasks of the queue become pending."""
    return f"queue:{queue}"


CANCELS = "cancels"
"""Rung when the cancel of any running task is asked for."""


TASKS = "task:"
"""What the topics of tasks begin with."""


def task_topic(task_id: TaskId | str) -> str:
    """Rung when the task of this id, or of this text of an id, is settled or its cancel is asked for."""
    return f"{TASKS}{task_id}"


class Ear(Protocol):
    """Somebody who listens. A ring between two waits is kept and ends the next wait at once."""

    async def wait(self, longest: timedelta) -> bool:
        """Sleep until rung, or for so long at most. True when it was rung."""
        ...


class Bell(Protocol):
    """Wakes those who listen to a topic, in this process and, where the bell reaches that far, in others.

    What is rung for a task reaches another process a moment after somebody there has begun to listen for any.
    """

    def ring(self, topics: Collection[str]) -> None:
        """Wake all who listen to any of the topics. From any thread; never waits, never raises."""
        ...

    def ring_all(self) -> None:
        """Wake everybody: something has changed, nobody knows what. From any thread; never waits, never raises."""
        ...

    def listen(self, topics: Collection[str]) -> AbstractContextManager[Ear]:
        """An ear for these topics, in the running event loop, for as long as the context is open."""
        ...
