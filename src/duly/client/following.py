"""Following a task over connections that may break: where a reader stands. Sends nothing itself."""

import random
from collections.abc import Callable
from datetime import timedelta

from httpx_sse import ServerSentEvent

from duly.client.call import Answer, Call
from duly.client.calls import Id, stream
from duly.client.waiting import LONGEST_OUTAGE, SHORT
from duly.domain.errors import StoreUnavailable, TooMany
from duly.domain.state import FINAL
from duly.wire.task import Task

PROCEED = 200


class Following:
    """One reader of one task, from its first connection to the final state."""

    def __init__(self, task_id: Id, now: Callable[[], float]) -> None:
        self._id = task_id
        self._now = now
        self._version = 0
        self._connected = False
        self._heard: float | None = None
        self._retry = SHORT
        self.over = False

    def call(self) -> Call[Task]:
        """What to ask for next: all that is new since the last version that was heard of."""
        return stream(self._id, self._version)

    def hear(self, event: ServerSentEvent) -> Task | None:
        """The task of an event; None for one without."""
        self._connected = True
        if event.retry is not None:
            self._retry = timedelta(milliseconds=event.retry)
        if not event.data:
            return None
        task = self.call().result(Answer(PROCEED, event.data.encode()))
        if event.id.isdecimal():
            self._version = int(event.id)
        self.over = task.state in FINAL
        return task

    def pause(self, broken: StoreUnavailable | TooMany | None) -> timedelta:
        """How long to wait before connecting again; None: the service ended the stream.

        Raises what is wrong when there was never a connection, or none for too long.
        """
        if self._connected:
            self._connected, self._heard = False, self._now()
        elif broken is not None and self._outage() > LONGEST_OUTAGE:
            raise broken
        wanted = broken.retry_after if isinstance(broken, TooMany) else self._retry
        return wanted * random.uniform(0.5, 1.5)  # noqa: S311  # spreads those that lost the same server

    def _outage(self) -> timedelta:
        return timedelta.max if self._heard is None else timedelta(seconds=self._now() - self._heard)
