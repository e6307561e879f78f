"""New ids, in the order of their making."""

import os
from datetime import datetime
from threading import Lock

from duly.domain.task import TaskId
from duly.domain.uuid7 import milliseconds, uuid7

_STEP = 4
"""Bytes: by no more than they can count does an id lie beyond the one before it in its millisecond."""


class Ids:
    """UUIDv7 (RFC 9562 §5.7): milliseconds, then 74 bits, random in each new millisecond and counting up within it.

    Ids of one maker never go back, even when its clock does; ids of two makers are ordered by their clocks.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._millisecond = 0
        self._tail = 0

    def new(self, now: datetime) -> TaskId:
        """One more id; from any thread."""
        with self._lock:
            return self._next(milliseconds(now), os.urandom(_STEP))

    def several(self, now: datetime, count: int) -> list[TaskId]:
        """So many more, in order; from any thread."""
        millisecond, steps = milliseconds(now), os.urandom(_STEP * count)
        with self._lock:
            return [self._next(millisecond, steps[at : at + _STEP]) for at in range(0, len(steps), _STEP)]

    def _next(self, millisecond: int, step: bytes) -> TaskId:
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            self._tail = int.from_bytes(os.urandom(9), "big")
        else:
            self._tail += 1 + int.from_bytes(step, "big")
        return TaskId(uuid7(self._millisecond, self._tail))
