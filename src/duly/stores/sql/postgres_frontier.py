"""How far the claims of a queue have got, so that they need not wade through the dead entries of earlier ones.

A claim begins at the left end of its index and walks over the entries of all that was claimed before, until a vacuum
has removed them; while somebody's old snapshot is open, none can.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from duly.domain.task import HIGHEST_PRIORITY
from duly.stores.sql.rows import CLAIMED_COLUMNS
from duly.stores.sql.types import EPOCH

LOOK_BACK_EVERY = 1.0
"""In seconds. What became ready behind the frontier (a retry, a late commit) waits no longer than this for a busy
worker; one whose claim came back short looks everywhere the next time."""

SLACK = timedelta(seconds=1)
"""Commits overtake each other: so far behind the last claimed task others are still expected."""

WORTH_IT = 50
"""A claim of fewer walks over little."""

PRECEDENCES = tuple(range(HIGHEST_PRIORITY + 1))

_PRECEDENCE, _RUN_AT = (CLAIMED_COLUMNS.index(name) for name in ("precedence", "run_at"))


@dataclass(slots=True)
class _Queue:
    looked_back_at: float
    full: bool = False
    reached: dict[int, datetime] = field(default_factory=dict)


class Frontier:
    """One for each worker process: what others have claimed beyond it, its index entries tell."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._queues: dict[str, _Queue] = {}

    def since(self, queue: str) -> list[datetime] | None:
        """From when on to look, for each of PRECEDENCES; None: look everywhere."""
        at = self._queues.get(queue)
        if at is None or not at.full or self._now() - at.looked_back_at >= LOOK_BACK_EVERY:
            return None
        return [at.reached.get(precedence, EPOCH) for precedence in PRECEDENCES]

    def moved(self, queue: str, rows: Sequence[Sequence[Any]], limit: int, *, everywhere: bool) -> None:
        """A claim of at most so many gave these rows of CLAIMED_COLUMNS, in their order."""
        at = self._queues.setdefault(queue, _Queue(self._now()))
        if everywhere:
            at.looked_back_at = self._now()
        at.full = len(rows) == limit >= WORTH_IT
        for row in rows:
            at.reached[row[_PRECEDENCE]] = row[_RUN_AT] - SLACK
