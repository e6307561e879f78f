"""Counts in plain numbers. A Prometheus client's own counters take several times as long; they are made at a scrape."""

from bisect import bisect_left
from collections import defaultdict
from threading import Lock

from duly.domain.families import OF_PROCESSES
from duly.domain.figures import Family, Figures, Labels, Sets


class PlainTally:
    """A Tally."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cells: defaultdict[str, dict[Labels, list[float]]] = defaultdict(dict)
        self._sets = Sets()
        for family in OF_PROCESSES:
            if family.lasting and not family.labels:
                self._cell(family, ())  # what happens for the first time is seen only against a nought

    def add(self, family: Family, *labels: str, by: float = 1) -> None:
        """See Tally."""
        with self._lock:
            self._cell(family, labels)[0] += by

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """See Tally."""
        bucket = bisect_left(family.bounds, value)
        with self._lock:
            cell = self._cell(family, labels)
            cell[bucket] += 1
            cell[-1] += value

    def put(self, family: Family, value: float, *labels: str) -> None:
        """See Tally."""
        with self._lock:
            self._cell(family, labels)[0] = value

    def figures(self) -> Figures:
        """See Tally."""
        with self._lock:
            return {name: {labels: list(cell) for labels, cell in held.items()} for name, held in self._cells.items()}

    def _cell(self, family: Family, labels: Labels) -> list[float]:
        held = self._cells[family.name]
        cell = held.get(labels)
        if cell is None:
            cell = held.setdefault(self._sets.bounded(family, labels), family.zero())
        return cell
