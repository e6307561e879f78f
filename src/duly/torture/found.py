"""What was accepted is there, has ended or waits for a reason, and was done if it says so."""

from collections.abc import Iterator

from duly.domain.state import FINAL
from duly.torture.finding import END, Finding, Line, at_the_end, finding
from duly.torture.history import ACCEPTED, OK, History
from duly.torture.records import Json, Read, Submit

GOOD_REASONS = frozenset({"not_due", "retry_wait", "queue_paused", "no_handler", "rate_limited"})
"""Why a task may still wait although its run is over and workers are there."""

NOT_FOUND = frozenset({404, 410})


def lost(history: History) -> Iterator[Finding]:
    """P1: every task that was answered 200 or 202 is found, at the end and by every read that was sent after that."""
    missed = _missed(history)
    for submit in _accepted(history):
        task_id = submit.task["id"] if submit.task else ""
        if task_id not in history.tasks:
            says = "accepted, and not there at the end"
            yield finding("lost", task_id, says, [submit, Line(END, "at the end: no such task")])
        elif (read := _not_found(missed.get(task_id, []), submit)) is not None:
            yield finding("lost", task_id, "accepted, and then not found", [submit, read])


def _accepted(history: History) -> Iterator[Submit]:
    """The first answer that told of each task."""
    told: set[str] = set()
    for submit in sorted(history.submits, key=lambda one: one.answered or END):
        if submit.status in (OK, ACCEPTED) and submit.task is not None and submit.task["id"] not in told:
            told.add(submit.task["id"])
            yield submit


def _missed(history: History) -> dict[str, list[Read]]:
    missed: dict[str, list[Read]] = {}
    for read in history.reads:
        if read.status in NOT_FOUND and read.id is not None:
            missed.setdefault(read.id, []).append(read)
    return missed


def _not_found(missed: list[Read], submit: Submit) -> Read | None:
    """The first read that was sent after the answer and found nothing."""
    return next((read for read in missed if submit.answered is not None and read.sent > submit.answered), None)


def stuck(history: History) -> Iterator[Finding]:
    """P2: at the end, when all was given back and time enough has passed, a task is final or waits for a reason.

    That others are ahead of it, or that no worker is there, is none: the run ends with workers that have nothing to do.
    """
    for task_id, task in history.tasks.items():
        if task["state"] in FINAL:
            continue
        reason = _waits_for(task)
        if reason not in GOOD_REASONS:
            known = [seen.source for seen in history.sights.get(task_id, [])]
            says = f"still {task['state']} at the end ({reason})"
            yield finding("stuck", task_id, says, [*known[:1], *history.starts.get(task_id, [])[-1:], at_the_end(task)])


def _waits_for(task: Json) -> str:
    waiting = task.get("waiting")
    return str(waiting["reason"]) if isinstance(waiting, dict) else "for no reason that it says"


def unearned(history: History) -> Iterator[Finding]:
    """A task that completed has a handler that returned in that very attempt: it says so before anybody settles.

    Judged for the types whose handlers write down what they do.
    """
    types = {effect.type for effect in history.effects}
    for task_id, task in history.tasks.items():
        if task["state"] != "completed" or task["type"] not in types:
            continue
        ends = history.ends.get((task_id, task["attempt"]), [])
        if not any(end.how == "returned" for end in ends):
            starts = [start for start in history.starts.get(task_id, []) if start.attempt == task["attempt"]]
            says = f"completed by attempt {task['attempt']}, whose handler never returned"
            yield finding("unearned", task_id, says, [*starts, *ends, at_the_end(task)])
