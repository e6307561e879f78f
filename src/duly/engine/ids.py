"""New ids, in the order of their making."""

import os
from datetime import datetime
from threading import Lock
from uuid import UUID

from duly.domain.task import TaskId

_TAIL_BITS = 74
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


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
            millisecond = int(now.timestamp() * 1000)
            if millisecond > self._millisecond:
                self._millisecond = millisecond
                self._tail = int.from_bytes(os.urandom(9), "big")
            else:
                self._tail += 1 + int.from_bytes(os.urandom(4), "big")
            return _assemble(self._millisecond, self._tail)


def _assemble(millisecond: int, tail: int) -> TaskId:
    tail &= (1 << _TAIL_BITS) - 1
    upper, lower = tail >> 62, tail & ((1 << 62) - 1)
    return TaskId(UUID(int=(millisecond << 80) | (upper << 64) | _VERSION_AND_VARIANT | lower))
