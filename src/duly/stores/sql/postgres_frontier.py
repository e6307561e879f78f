"""How far the claims of a queue have got, so that they need not wade through the dead entries of earlier ones.

A claim begins at the left end of its index and walks over the entries of all that was claimed before, until a vacuum
has removed them; while somebody's old snapshot is open, none can.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from duly.domain.moment import EPOCH
from duly.domain.task import HIGHEST_PRIORITY
from duly.stores.sql.claimed import CLAIMED_COLUMNS
from duly.stores.sql.looks import Looks

LOOK_BACK_EVERY = 1.0
"""In seconds. What became ready behind the frontier (a retry, a late commit) waits no longer than this for a busy
worker; one whose claim came back short looks everywhere the next time. While such looks are slow, both look only
FURTHER_BACK instead, and everywhere when ``Looks`` allow it."""

SLACK = timedelta(seconds=0.2)
"""Commits overtake each other: so far behind the last claimed task others are still expected."""

FURTHER_BACK = timedelta(seconds=3)
"""Within this what is due is promoted, as a rule. A busy queue leaves 20,000 dead entries a second: more costs much."""

WORTH_IT = 50
"""A claim of fewer walks over little."""

PRECEDENCES = tuple(range(HIGHEST_PRIORITY + 1))

_PRECEDENCE, _RUN_AT = (CLAIMED_COLUMNS.index(name) for name in ("precedence", "run_at"))


@dataclass(slots=True)
class _Queue:
    looks: Looks
    everywhere_at: float
    further_back_at: float
    full: bool = False
    seconds_each: float = 0.0
    """What a task of the last full claim from the frontier took: payloads may be large."""
    reached: dict[int, datetime] = field(default_factory=dict)


class Frontier:
    """One for each worker process: what others have claimed beyond it, its index entries tell."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._queues: dict[str, _Queue] = {}

    def due(self, queue: str) -> bool:
        """Whether a look at all that is ready is worth its time now."""
        at = self._at(queue)
        return not at.reached or at.looks.due

    def slow(self, queue: str) -> bool:
        """Whether the last look everywhere was."""
        return self._at(queue).looks.slow

    def since(self, queue: str) -> list[datetime] | None:
        """From when on to look now, for each of PRECEDENCES; None: look everywhere."""
        at, slack = self._at(queue), SLACK
        busy = at.full and self._now() - at.everywhere_at < LOOK_BACK_EVERY
        if self.due(queue) and not busy:
            return None
        if self._now() - max(at.everywhere_at, at.further_back_at) >= LOOK_BACK_EVERY:
            at.further_back_at, slack = self._now(), FURTHER_BACK
        return [at.reached[precedence] - slack if precedence in at.reached else EPOCH for precedence in PRECEDENCES]

    def looked_everywhere(self, queues: Iterable[str], seconds: float, tasks: int = 0) -> None:
        """So long did that take, or fail, and it brought so many tasks."""
        for queue in queues:
            at = self._at(queue)
            at.looks.took(seconds - tasks * at.seconds_each)
            at.everywhere_at = self._now()

    def looked_onwards(self, queue: str, seconds: float, tasks: int) -> None:
        """A claim from the frontier took so long, and brought so many tasks."""
        if tasks >= WORTH_IT:
            self._at(queue).seconds_each = seconds / tasks

    def found_no_more(self, queue: str, at: datetime) -> None:
        """A look everywhere that began at this time has found nothing but what it took."""
        self._at(queue).reached = dict.fromkeys(PRECEDENCES, at)

    def moved(self, queue: str, rows: Sequence[Sequence[Any]], limit: int) -> None:
        """A claim of at most so many gave these rows of CLAIMED_COLUMNS, in their order."""
        at = self._at(queue)
        at.full = len(rows) == limit >= WORTH_IT
        for row in rows:
            at.reached[row[_PRECEDENCE]] = row[_RUN_AT]

    def _at(self, queue: str) -> _Queue:
        now = self._now()
        return self._queues.setdefault(queue, _Queue(Looks(self._now), now, now))
