"""One claim starts one handler and settles once; none starts under a claim that is lost, or after a cancel."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from duly.domain.event import Kind
from duly.domain.state import State
from duly.torture.finding import END, Finding, Line, at_the_end, finding
from duly.torture.history import ACCEPTED, OK, History, Sight
from duly.torture.legal import told
from duly.torture.lives import Lives
from duly.torture.records import Effect, Json, Move

SETTLES = frozenset({Kind.COMPLETED, Kind.FAILED, Kind.RETRY_SCHEDULED, Kind.PUT_BACK, Kind.LEASE_LOST})
BLINK = 0.1
"""Seconds: a process that was stopped between its last look at the claim and the first line of the handler wakes up in
the middle, and the line comes at once."""


def doubled(history: History) -> Iterator[Finding]:
    """P3: no claim starts two handlers, settles twice by a worker's log or the story, or makes two of one version."""
    for task_id in history.tasks.keys() | history.starts.keys() | history.sights.keys():
        found = _started_twice(history, task_id) or _settled_twice(history, task_id) or _forked(history, task_id)
        if found is not None:
            yield found
    yield from _logged_twice(history)


def _started_twice(history: History, task_id: str) -> Finding | None:
    by_attempt: dict[int, Effect] = {}
    for start in history.starts.get(task_id, []):
        first = by_attempt.setdefault(start.attempt, start)
        if first is not start:
            return finding("doubled", task_id, f"attempt {start.attempt} was started twice", [first, start])
    return None


def _settled_twice(history: History, task_id: str) -> Finding | None:
    settled: dict[int, Json] = {}
    events = history.final.events.get(task_id, [])
    for event in events:
        if event["kind"] in SETTLES and settled.setdefault(event["attempt"], event) is not event:
            says = f"attempt {event['attempt']} was settled twice by its story"
            return finding("doubled", task_id, says, told([settled[event["attempt"]], event]))
    return None


def _forked(history: History, task_id: str) -> Finding | None:
    """What was seen of one version is the same everywhere: else two writers have written it."""
    task = history.tasks.get(task_id)
    by_version: dict[int, Sight] = {}
    for seen in history.sights.get(task_id, []):
        other = by_version.setdefault(seen.version, seen)
        if (other.state, other.attempt) != (seen.state, seen.attempt):
            says = f"version {seen.version} was seen {other.state} and {seen.state}"
            return finding("doubled", task_id, says, [other.source, seen.source])
    at_end = None if task is None else by_version.get(task["version"])
    if task is None or at_end is None or (at_end.state, at_end.attempt) == (task["state"], task["attempt"]):
        return None
    says = f"version {at_end.version} was seen {at_end.state}, and at the end it is {task['state']}"
    return finding("doubled", task_id, says, [at_end.source, at_the_end(task)])


def _logged_twice(history: History) -> Iterator[Finding]:
    by_claim: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for settled in history.settles:
        text = f"{settled.log}: attempt {settled.attempt} settled as {settled.outcome} at {settled.at}"
        by_claim[settled.id, settled.attempt].append(Line(END, text))
    for (task_id, attempt), lines in by_claim.items():
        if len(lines) > 1:
            yield finding("doubled", task_id, f"attempt {attempt} was settled twice by the logs", lines)


def late_starts(history: History) -> Iterator[Finding]:
    """P4: no handler starts under a claim that was lost before.

    A claim is known to be lost from the start of a later attempt on, and from an answer that shows a later attempt or
    this one no longer running. One start of a process is let pass if it comes within a BLINK of the end of a stop.
    """
    lives, passed = Lives(history), set[tuple[int, float]]()
    for task_id, starts in history.starts.items():
        for start in starts:
            proof = _lost_before(history, start, starts)
            if proof is None:
                continue
            woke = lives.woke(start.pid, start.t)
            if woke is not None and start.t - woke <= BLINK and (start.pid, woke) not in passed:
                passed.add((start.pid, woke))
                continue
            evidence = [proof.source if isinstance(proof, Sight) else proof, start]
            says = f"attempt {start.attempt} was started after its claim was lost"
            yield finding("late starts", task_id, says, evidence)


def _lost_before(history: History, start: Effect, starts: Sequence[Effect]) -> Effect | Sight | None:
    for other in starts:
        if other.t < start.t and other.attempt > start.attempt:
            return other
    for seen in history.sights.get(start.id, []):
        if seen.answered >= start.t:
            return None
        if seen.attempt > start.attempt or (seen.attempt == start.attempt and seen.state is not State.RUNNING):
            return seen
    return None


def after_cancel(history: History) -> Iterator[Finding]:
    """P7: after a cancel was answered 200 no handler starts; after 202 the running attempt is the last one.

    Until a retry by hand that may have happened.
    """
    for task_id, moves in history.moves_of.items():
        for cancel in moves:
            start = _started_after(history, cancel)
            if start is not None:
                says = f"attempt {start.attempt} was started after a cancel was answered {cancel.status}"
                yield finding("after cancel", task_id, says, [cancel, start])
                break


def _started_after(history: History, cancel: Move) -> Effect | None:
    if cancel.move != "cancel" or cancel.answered is None or cancel.status not in (OK, ACCEPTED):
        return None
    last = cancel.task["attempt"] if cancel.task is not None and cancel.status == ACCEPTED else -1
    for start in history.starts.get(cancel.id, []):
        if start.t > cancel.answered and start.attempt > last:
            return None if history.retries(cancel.id, cancel.sent, start.t) else start
    return None
