"""How many tasks a second are done, before, during and after each fault."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from duly.torture.records import EFFECTS, Json, Pen, Rate

DONE = b'"how":"returned"'

HEALED = 0.95
"""The part of the rate before the first fault that must be there again after each."""

WINDOW = 5.0
PATIENT = 60.0
"""Seconds over which the rate is taken, and after a fault in which it must have come back."""


class Rates:
    """Counts what the handlers write, once a second; the service is not asked."""

    def __init__(self, folder: Path, pen: Pen) -> None:
        self._effects = folder / EFFECTS
        self._pen = pen
        self._at = 0
        self.done = 0
        self.samples: list[Rate] = []

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(1)

    def look(self) -> None:
        """One sample."""
        if self._effects.exists():
            with self._effects.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._at += len(whole)
            self.done += whole.count(DONE)
        sample = Rate(t=time.monotonic(), done=self.done)
        self._pen.write(sample)
        self.samples.append(sample)

    def between(self, began: float, ended: float) -> float:
        """Tasks a second."""
        first, last = self._at_time(began), self._at_time(ended)
        return (last.done - first.done) / max(last.t - first.t, 1)

    def back(self, since: float, rate: float) -> float | None:
        """Seconds from then to the first window in which so many tasks a second are done again; None: not yet.

        What was waiting meanwhile counts where it is done.
        """
        later = [sample for sample in self.samples if sample.t >= since]
        for first, last in combinations(later, 2):
            seconds = last.t - first.t
            if seconds >= WINDOW and last.done - first.done >= HEALED * rate * seconds:
                return max(first.t - since, 0.0)
        return None

    def _at_time(self, t: float) -> Rate:
        times = [sample.t for sample in self.samples]
        return self.samples[min(bisect_left(times, t), len(times) - 1)]


@dataclass(frozen=True, slots=True)
class Past:
    """A fault that is over."""

    name: str
    scenario: str
    began: float
    ended: float
    detail: Json
    back: float | None = None
    """Seconds until the rate was that of before again; None: it was not."""


def told(faults: Sequence[Past], rates: Rates, before: float) -> list[Json]:
    """Each fault with its rates, and when what was before was back."""
    return [
        {
            "name": fault.name,
            "scenario": fault.scenario,
            "seconds": round(fault.ended - fault.began, 1),
            "before": round(before, 1),
            "during": round(rates.between(fault.began, fault.ended), 1),
            "back": None if fault.back is None else round(fault.back, 1),
            "detail": fault.detail,
        }
        for fault in faults
    ]
