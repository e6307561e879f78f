"""How long it took until a task went on whose claim was lost with its process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from duly.domain.event import Kind
from duly.torture.history import History
from duly.torture.lives import Lives
from duly.torture.records import Effect


@dataclass(frozen=True, slots=True)
class Recovery:
    """One lost claim: from the kill or the stop of its process to the start of the next attempt."""

    id: str
    attempt: int
    cause: str
    """killed or stopped"""
    seconds: float


def recoveries(history: History) -> list[Recovery]:
    """Those of claims that were taken up again. Where the handler had said its end, nothing was lost but its settle."""
    lives = Lives(history)
    return [one for task_id in history.starts for one in _of(task_id, history.starts[task_id], history.ends, lives)]


def _of(
    task_id: str, starts: Sequence[Effect], ends: Mapping[tuple[str, int], Sequence[Effect]], lives: Lives
) -> Iterator[Recovery]:
    for start, following in pairwise(starts):
        lost = _lost(start, ends.get((task_id, start.attempt), []), lives, following.t)
        if lost is not None:
            cause, at = lost
            yield Recovery(task_id, start.attempt, cause, following.t - at)


def _lost(start: Effect, ends: Sequence[Effect], lives: Lives, before: float) -> tuple[str, float] | None:
    ended = min((end.t for end in ends), default=before)
    for begin, end in lives.stops(start.pid):
        if start.t <= begin < ended and end > before:
            return "stopped", begin
    died = lives.died(start.pid, start.t)
    return ("killed", died) if died is not None and died < ended else None


def refused(history: History) -> int:
    """Stale writes that were refused, as the stories tell."""
    return sum(event["kind"] == Kind.WRITE_REFUSED for events in history.final.events.values() for event in events)
