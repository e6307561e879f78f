"""When each process ran: it may have been stopped in between, and it may have been killed."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from duly.torture.history import History
from duly.torture.records import Effect, ProcessSign

DEATHS = ("killed", "ended")
Span = tuple[float, float]


class Lives:
    """What the driver wrote down of all processes."""

    def __init__(self, history: History) -> None:
        self._deaths: defaultdict[int, list[float]] = defaultdict(list)
        self._stops: defaultdict[int, list[Span]] = defaultdict(list)
        stopped: dict[int, float] = {}
        for sign in sorted(history.signs, key=lambda sign: sign.t):
            self._note(sign, stopped)
        for pid, since in stopped.items():
            self._stops[pid].append((since, float("inf")))

    def _note(self, sign: ProcessSign, stopped: dict[int, float]) -> None:
        if sign.what == "stopped":
            stopped.setdefault(sign.pid, sign.t)
        elif sign.what in (*DEATHS, "continued") and sign.pid in stopped:
            self._stops[sign.pid].append((stopped.pop(sign.pid), sign.t))
        if sign.what in DEATHS:
            self._deaths[sign.pid].append(sign.t)

    def died(self, pid: int, after: float) -> float | None:
        """When the process that ran at ``after`` died; None: nobody saw it."""
        deaths = self._deaths[pid]
        place = bisect_left(deaths, after)
        return deaths[place] if place < len(deaths) else None

    def stops(self, pid: int) -> Sequence[Span]:
        """When it was stopped, and when it went on."""
        return self._stops[pid]

    def woke(self, pid: int, before: float) -> float | None:
        """The end of its last stop before that moment."""
        return max((end for _, end in self._stops[pid] if end <= before), default=None)

    def end_of(self, start: Effect, ends: Sequence[Effect]) -> float:
        """When the handler ended: by its own word or with its process. If nobody knows, it ended as it began."""
        said = [end.t for end in ends if end.pid == start.pid and end.t >= start.t]
        if said:
            return min(said)
        died = self.died(start.pid, start.t)
        return start.t if died is None else died


def length_without(span: Span, holes: Iterable[Span]) -> float:
    """Seconds of the span that lie in none of the holes, which may overlap."""
    begin, end = span
    left = 0.0
    for hole_begin, hole_end in sorted(holes):
        if hole_begin >= end:
            break
        left += max(hole_begin - begin, 0.0)
        begin = max(begin, hole_end)
    return left + max(end - begin, 0.0)
