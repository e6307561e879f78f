"""States only move as the life of a task allows: by what clients saw, and by the story that each task tells."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from duly.domain.event import Kind
from duly.domain.state import FINAL, WAITING, State
from duly.torture.finding import END, Finding, Line, at_the_end, finding
from duly.torture.history import History, Sight
from duly.torture.records import Json

FARTHEST = 200
"""Versions between two sights; what lies farther apart is not judged."""

NAME = "illegal moves"
S = State

LEGAL: dict[Kind, tuple[frozenset[State], frozenset[State]]] = {
    Kind.DUE: (frozenset({S.SCHEDULED}), frozenset({S.PENDING})),
    Kind.CLAIMED: (frozenset({S.PENDING}), frozenset({S.RUNNING})),
    Kind.COMPLETED: (frozenset({S.RUNNING}), frozenset({S.COMPLETED})),
    Kind.FAILED: (frozenset({S.RUNNING}), frozenset({S.FAILED})),
    Kind.RETRY_SCHEDULED: (frozenset({S.RUNNING}), frozenset({S.SCHEDULED})),
    Kind.PUT_BACK: (frozenset({S.RUNNING}), WAITING),
    Kind.LEASE_LOST: (frozenset({S.RUNNING}), WAITING),
    Kind.CANCEL_REQUESTED: (frozenset({S.RUNNING}), frozenset({S.RUNNING})),
    Kind.CANCELLED: (WAITING | {S.RUNNING}, frozenset({S.CANCELLED})),
    Kind.RETRIED: (FINAL | {S.SCHEDULED}, frozenset({S.PENDING})),
    Kind.EXPIRED: (WAITING, frozenset({S.FAILED})),
}
"""What may happen in which state, and to what it leads."""


def illegal_moves(history: History) -> Iterator[Finding]:
    """One finding a task. A final state is left by a retry by hand only, of which each client keeps a record."""
    for task_id, task in history.tasks.items():
        found = _between_sights(history, task_id, task) or _in_story(history, task_id, task)
        if found is not None:
            yield found


def _between_sights(history: History, task_id: str, task: Json) -> Finding | None:
    """Any two versions that were seen must be joined by as many legal moves as there are versions between them."""
    by_version = {seen.version: seen for seen in history.sights.get(task_id, [])}
    seen = [by_version[version] for version in sorted(by_version)]
    retries = len(history.retries(task_id, 0, END))
    for one, other in pairwise(seen):
        if not _joined(one, (other.version, other.state, other.attempt), retries):
            return finding(NAME, task_id, _says(one, other.state), [one.source, other.source])
    if seen and task["version"] > seen[-1].version:
        end = (task["version"], State(task["state"]), task["attempt"])
        if not _joined(seen[-1], end, retries):
            return finding(NAME, task_id, _says(seen[-1], end[1]), [seen[-1].source, at_the_end(task)])
    return None


def _says(one: Sight, state: State) -> str:
    return f"{one.state} in version {one.version}, attempt {one.attempt}: no legal moves lead from there to {state}"


def _joined(one: Sight, other: tuple[int, State, int], retries: int) -> bool:
    version, state, attempt = other
    moves, claims = version - one.version, attempt - one.attempt
    return moves > FARTHEST or (claims >= 0 and _reachable(one.state, state, moves, claims, min(retries, moves)))


@cache
def _reachable(start: State, end: State, moves: int, claims: int, retries: int) -> bool:
    """Whether so many moves, so many of them claims and at most so many of them retries by hand, lead there."""
    at = {(start, 0, 0)}
    for _ in range(moves):
        at = {step for place in at for step in _steps(*place) if step[1] <= claims and step[2] <= retries}
    return any(state is end and claimed == claims for state, claimed, _ in at)


def _steps(state: State, claimed: int, retried: int) -> Iterator[tuple[State, int, int]]:
    for kind, (before, after) in LEGAL.items():
        if state in before:
            for following in after:
                yield following, claimed + (kind is Kind.CLAIMED), retried + (kind is Kind.RETRIED)


def _in_story(history: History, task_id: str, task: Json) -> Finding | None:
    """The story, told again move by move, leads from the submit to the row; each move raises the version by one."""
    events = [event for event in history.final.events.get(task_id, []) if event["kind"] != Kind.WRITE_REFUSED]
    states: frozenset[State] = WAITING
    for before, event in pairwise(events):
        may_be, becomes = LEGAL.get(Kind(event["kind"]), (frozenset(), frozenset()))
        if event["version"] != before["version"] + 1 or not states & may_be:
            says = f"its story: {event['kind']} in version {event['version']} after {before['kind']}"
            return finding(NAME, task_id, says, [*told(events, event["attempt"]), at_the_end(task)])
        states = becomes
    if events and task["state"] in FINAL and (task["state"], task["version"]) != (_only(states), events[-1]["version"]):
        says = f"its story ends with {events[-1]['kind']} in version {events[-1]['version']}, and the row does not"
        return finding(NAME, task_id, says, [*told(events[-2:]), at_the_end(task)])
    return None


def _only(states: frozenset[State]) -> State | None:
    return next(iter(states)) if len(states) == 1 else None


def told(events: Sequence[Json], attempt: int | None = None) -> list[Line]:
    """The events as lines, only those of an attempt if one is given. They come after all that has a monotonic time."""
    return [
        Line(END, f"story: version {event['version']} {event['kind']}, attempt {event['attempt']}, at {event['at']}")
        for event in events
        if attempt is None or event["attempt"] == attempt
    ]
