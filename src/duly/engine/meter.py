"""What this process counts of its queues, written to the store every few seconds."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from duly.domain.state import State
from duly.domain.stats import BOUNDS_MS, Histogram
from duly.ports.store import QueueStore


def _zeros() -> list[int]:
    return [0] * (len(BOUNDS_MS) + 1)


@dataclass(slots=True)
class _Count:
    submitted: int = 0
    completed: int = 0
    failed: int = 0
    waits: list[int] = field(default_factory=_zeros)
    runs: list[int] = field(default_factory=_zeros)


class Meter:
    """Counts ins, outs, wait and run times per queue, in memory; from any thread."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._lock = Lock()
        self._counts: defaultdict[str, _Count] = defaultdict(_Count)

    def submitted(self, queue: str) -> None:
        """A task was committed."""
        with self._lock:
            self._counts[queue].submitted += 1

    def started(self, queue: str, wait: timedelta) -> None:
        """A task was claimed after it had been ready for so long."""
        with self._lock:
            self._counts[queue].waits[_bucket(wait)] += 1

    def settled(self, queue: str, state: State, run: timedelta) -> None:
        """An attempt ended after so long, and left the task in this state."""
        with self._lock:
            count = self._counts[queue]
            count.runs[_bucket(run)] += 1
            count.completed += state is State.COMPLETED
            count.failed += state is State.FAILED

    def take(self, at: datetime) -> list[Histogram]:
        """What was counted since the last time, as of the interval that starts at ``at``."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(_Count)
        return [
            Histogram(
                process=self._process,
                queue=queue,
                at=at,
                submitted=count.submitted,
                completed=count.completed,
                failed=count.failed,
                waits=tuple(count.waits),
                runs=tuple(count.runs),
            )
            for queue, count in counts.items()
        ]


@dataclass(slots=True)
class MeterReading:
    """Writes a meter to the store; what could not be written is written with the next pass."""

    meter: Meter
    queues: QueueStore
    unwritten: list[Histogram] = field(default_factory=list[Histogram])

    async def step(self, now: datetime) -> int:
        """One pass. Returns how many histograms were written. Raises StoreUnavailable."""
        self.unwritten = (self.unwritten + self.meter.take(now))[-1_000:]
        if self.unwritten:
            await self.queues.add_rates(self.unwritten)
        written, self.unwritten = len(self.unwritten), []
        return written


def _bucket(duration: timedelta) -> int:
    return bisect_left(BOUNDS_MS, duration / timedelta(milliseconds=1))
