"""Two handlers of one task overlap no longer than the first needs to notice that its claim is lost."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from duly.torture.finding import Finding, finding
from duly.torture.history import History
from duly.torture.lives import Lives, Span, length_without
from duly.torture.records import Effect, Fault

BACK = 5.0
"""Seconds after a fault in which the database may still be out of reach: what hangs is given up after a time limit."""

OF_THE_DATABASE = frozenset({"backends", "pool", "idle_in_tx", "fill"})
WIRES = frozenset({"cut", "delay", "half-open", "throttle"})
DATABASES = frozenset({"postgresql", "mariadb", "mysql"})


def overlaps(history: History) -> Iterator[Finding]:
    """P4: at most a renewal and the grace, by the time during which the first process ran.

    Not counted: while that process was stopped, and while a fault kept the database out of reach and BACK seconds more,
    for then nobody can notice. A handler whose end nobody wrote down ran until its process died. Handlers that sit in a
    thread and look at nothing cannot be stopped, and are not judged.
    """
    lives = Lives(history)
    away = [(one.began, one.ended + BACK) for one in history.faults if one.ended is not None and takes_database(one)]
    bound = history.terms.renewal + history.terms.grace
    for task_id, starts in history.starts.items():
        for first, second, span in _pairs(history, lives, starts):
            seconds = length_without(span, [*lives.stops(first.pid), *away])
            if seconds > bound:
                ends = history.ends.get((task_id, first.attempt), [])
                says = f"two handlers ran at once for {seconds:.1f} s, {bound:.1f} s are allowed"
                yield finding("overlaps", task_id, says, [first, second, *ends])
                break


def takes_database(fault: Fault) -> bool:
    """Whether the fault keeps workers from their database."""
    link, server = str(fault.detail.get("link", "")), str(fault.detail.get("server", ""))
    wire = fault.name in WIRES and "store" in link.split("+")
    return wire or server in DATABASES or fault.name in OF_THE_DATABASE


def _pairs(history: History, lives: Lives, starts: Sequence[Effect]) -> Iterator[tuple[Effect, Effect, Span]]:
    """Each attempt with the next one, and the time during which both ran."""
    for first, second in pairwise(starts):
        if first.type in history.terms.blocking:
            continue
        until = min(_end(history, lives, first), _end(history, lives, second))
        if until > second.t:
            yield first, second, (second.t, until)


def _end(history: History, lives: Lives, start: Effect) -> float:
    return lives.end_of(start, history.ends.get((start.id, start.attempt), []))
