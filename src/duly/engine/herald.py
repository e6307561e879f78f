"""Making known what has changed, once it is committed: the bell for whoever listens, the relay for the broker."""

from collections.abc import Iterable
from typing import Protocol

from duly.domain.callback import SYSTEM_QUEUE
from duly.domain.state import FINAL, State
from duly.domain.task import Task
from duly.ports.bell import CANCELS, Bell, queue_topic, task_topic


class Relaying(Protocol):
    """Hands ready tasks to a broker, or changed ones to a cache."""

    def tell(self, tasks: Iterable[Task]) -> None:
        """These have become pending, or have changed. From any thread; never waits, never raises."""
        ...


class Herald:
    """Everything here is a hint: whoever misses it finds out by looking."""

    def __init__(self, bell: Bell, relay: Relaying | None, cache: Relaying | None = None) -> None:
        self._bell = bell
        self._relay = relay
        self._cache = cache

    def changed(self, *tasks: Task) -> None:
        """These tasks were committed as they are here, and their callbacks with them."""
        topics: set[str] = set()
        ready: list[Task] = []
        for task in tasks:
            if task.state in FINAL:
                topics.add(task_topic(task.id_text))
                if task.callback_url is not None:
                    topics.add(queue_topic(SYSTEM_QUEUE))
            elif task.state is State.PENDING:
                topics.add(queue_topic(task.queue))
                ready.append(task)
        if topics:
            self._bell.ring(topics)
        if ready and self._relay is not None:
            self._relay.tell(ready)
        if self._cache is not None:
            self._cache.tell(tasks)

    def cancel_asked(self, task: Task) -> None:
        """A cancel was asked for; its worker and those who wait for the task should know at once."""
        self._bell.ring({CANCELS, task_topic(task.id)})

    def resumed(self, queue: str) -> None:
        """The queue is no longer paused."""
        self._bell.ring({queue_topic(queue)})
