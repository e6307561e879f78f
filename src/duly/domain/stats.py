"""What is counted of queues and workers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.domain.task import WorkerId

BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000)
"""Upper bounds of a histogram's buckets in milliseconds; one more bucket holds what is longer."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue and whether it is paused."""

    name: str
    paused: bool
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many live tasks a queue has, and since when the oldest pending one has been ready."""

    queue: str
    scheduled: int
    pending: int
    running: int
    oldest_pending: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """What one process counted for one queue in one interval: ins and outs, wait and run times.

    ``waits`` and ``runs`` have ``len(BOUNDS_MS) + 1`` counts each.
    """

    process: str
    queue: str
    at: datetime
    """The start of the interval."""
    submitted: int
    completed: int
    failed: int
    waits: tuple[int, ...]
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """One worker process, as the roster knows it."""

    id: WorkerId
    host: str
    pid: int
    queues: tuple[str, ...]
    types: tuple[str, ...]
    slots: int
    running: int
    version: str
    started_at: datetime
    seen_at: datetime


def percentile(counts: tuple[int, ...], share: float) -> timedelta | None:
    """The upper bound of the bucket in which the given share (0..1) of the counted is reached; None: nothing counted.

    The last bucket has no bound, so it answers with the longest one.
    """
    total = sum(counts)
    if total == 0:
        return None
    seen = 0
    for bound, count in zip((*BOUNDS_MS, BOUNDS_MS[-1]), counts, strict=True):
        seen += count
        if seen >= share * total:
            return timedelta(milliseconds=bound)
    return timedelta(milliseconds=BOUNDS_MS[-1])
