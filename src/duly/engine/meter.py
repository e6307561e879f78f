"""What this process counts of its tasks: written to the store every few seconds, and shown to whoever scrapes it."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from duly.domain import families
from duly.domain.figures import Family, Figures, Labels, Sets, merge_into
from duly.domain.state import Reason, State
from duly.domain.stats import BOUNDS_MS, Histogram
from duly.domain.task import Task
from duly.ports.store import QueueStore

OUTCOMES = ("completed", "failed", "cancelled", "retried", "put_back")
COMPLETED, FAILED, CANCELLED, RETRIED, PUT_BACK = range(len(OUTCOMES))

_BY_STATE = {State.COMPLETED: COMPLETED, State.FAILED: FAILED, State.CANCELLED: CANCELLED}

Place = tuple[str, str]
"""A queue and a type."""


def _zeros() -> list[int]:
    return [0] * (len(BOUNDS_MS) + 1)


@dataclass(slots=True)
class _Count:
    submitted: int = 0
    outcomes: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    waits: list[int] = field(default_factory=_zeros)
    waited_ms: float = 0.0
    runs: list[int] = field(default_factory=_zeros)
    ran_ms: float = 0.0


class Meter:
    """Counts ins, outs, wait and run times per queue and type, in memory; from any thread.

    Every task passes here: what is counted is plain numbers in one object, and everything else is made of them later.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._lock = Lock()
        self._counts: defaultdict[Place, _Count] = defaultdict(_Count)
        self._untaken: list[tuple[Place, _Count]] = []
        self._totals: Figures = {}
        self._sets = Sets()

    def submitted(self, *tasks: Task) -> None:
        """These were committed."""
        with self._lock:
            for task in tasks:
                self._counts[task.queue, task.type].submitted += 1

    def started(self, task: Task, wait: float) -> None:
        """A task was claimed after it had been ready for so many seconds."""
        wait_ms = wait * 1000
        with self._lock:
            count = self._counts[task.queue, task.type]
            count.waits[bisect_left(BOUNDS_MS, wait_ms)] += 1
            count.waited_ms += wait_ms

    def settled(self, task: Task, run: float) -> None:
        """An attempt ended after so many seconds, and left the task like this."""
        outcome = _BY_STATE.get(task.state)
        if outcome is None:
            outcome = RETRIED if task.reason in (Reason.HANDLER_ERROR, Reason.TIMEOUT) else PUT_BACK
        run_ms = run * 1000
        with self._lock:
            count = self._counts[task.queue, task.type]
            count.runs[bisect_left(BOUNDS_MS, run_ms)] += 1
            count.ran_ms += run_ms
            count.outcomes[outcome] += 1

    def take(self, at: datetime) -> list[Histogram]:
        """What was counted since the last time, by queue, as of the interval that starts at ``at``."""
        with self._lock:
            self._fold()
            untaken, self._untaken = self._untaken, []
        by_queue: defaultdict[str, _Count] = defaultdict(_Count)
        for (queue, _), count in untaken:
            _add(by_queue[queue], count)
        return [self._histogram(queue, count, at) for queue, count in by_queue.items()]

    def figures(self) -> Figures:
        """All that was counted since the process began; the caller's own to change."""
        with self._lock:
            self._fold()
            return {
                name: {labels: list(cell) for labels, cell in cells.items()} for name, cells in self._totals.items()
            }

    def _fold(self) -> None:
        """Move what was counted into the totals."""
        for place, count in self._counts.items():
            self._total(families.SUBMITTED, place, [count.submitted])
            self._total(families.WAIT, place, [*count.waits, count.waited_ms / 1000])
            self._total(families.RUN, place, [*count.runs, count.ran_ms / 1000])
            for outcome, number in zip(OUTCOMES, count.outcomes, strict=True):
                self._total(families.SETTLED, (*place, outcome), [number])
        self._untaken += self._counts.items()
        self._counts.clear()

    def _total(self, family: Family, labels: Labels, values: list[float]) -> None:
        held = self._totals.setdefault(family.name, {})
        merge_into(held, family, self._sets.bounded(family, labels), values)

    def _histogram(self, queue: str, count: _Count, at: datetime) -> Histogram:
        return Histogram(
            process=self._process,
            queue=queue,
            at=at,
            submitted=count.submitted,
            completed=count.outcomes[COMPLETED],
            failed=count.outcomes[FAILED],
            waits=tuple(count.waits),
            runs=tuple(count.runs),
        )


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


def _add(into: _Count, count: _Count) -> None:
    into.submitted += count.submitted
    for mine, theirs in ((into.outcomes, count.outcomes), (into.waits, count.waits), (into.runs, count.runs)):
        mine[:] = map(int.__add__, mine, theirs)
