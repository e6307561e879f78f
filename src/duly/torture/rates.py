"""How many tasks a second are done, before, during and after each fault."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duly.torture.records import EFFECTS, Json, Pen, Rate

DONE = b'"how":"returned"'


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


def told(faults: Sequence[Past], rates: Rates, before: float, quiet: float) -> list[Json]:
    """Each fault with its rates; after it, for as long as it was quiet."""
    return [
        {
            "name": fault.name,
            "scenario": fault.scenario,
            "seconds": round(fault.ended - fault.began, 1),
            "before": round(before, 1),
            "during": round(rates.between(fault.began, fault.ended), 1),
            "after": round(rates.between(fault.ended, fault.ended + quiet), 1),
            "detail": fault.detail,
        }
        for fault in faults
    ]
