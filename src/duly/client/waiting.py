"""Waiting for a task to become final, as a conversation that either client can hold.

The conversation yields what is to be sent, or how long to pause, and is given the answer; an outage is thrown into it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta

from duly.client.call import Call
from duly.client.calls import Id, get
from duly.domain.errors import StoreUnavailable, TaskCancelled, TaskFailed, TooMany
from duly.domain.state import FINAL, State
from duly.wire.task import Task

LONGEST_CALL = timedelta(seconds=30)
"""So long one request waits at most; proxies often allow 60 s."""

LONGEST_OUTAGE = timedelta(minutes=5)
"""A service that was there and is away for longer is given up."""

SHORT = timedelta(seconds=1)
"""An answer that comes sooner did not wait; a pause keeps the client from hammering."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so long."""

    length: timedelta


Step = Call[Task] | Pause | Task
Talk = Generator[Step, Task | None, None]
"""Its last step is the task."""


def until_final(task_id: Id, longest: timedelta | None, now: Callable[[], float]) -> Talk:
    """Ask until the task is final, or ``longest`` is over: then it is returned as it is.

    An outage at the first request is raised; later ones are waited out.
    """
    deadline = None if longest is None else now() + longest.total_seconds()
    task = yield get(task_id)
    heard = now()
    while task is not None and task.state not in FINAL and not _over(deadline, now()):
        asked = now()
        try:
            task = yield get(task_id, _slice(deadline, asked))
            heard = now()
            pause = SHORT if heard - asked < SHORT.total_seconds() else timedelta()
        except (StoreUnavailable, TooMany) as error:
            if _over(deadline, now()) or now() - heard > LONGEST_OUTAGE.total_seconds():
                raise
            pause = max(error.retry_after, SHORT)
        if task is not None and task.state not in FINAL and pause:
            yield Pause(min(pause, _slice(deadline, now())))
    if task is not None:
        yield task


def result_of(task: Task) -> object:
    """The result of a task that was waited for. Raises TaskFailed, TaskCancelled, or TimeoutError when not final."""
    match task.state:
        case State.COMPLETED:
            result: object = task.result
            return result
        case State.FAILED:
            error = None if task.error is None else task.error.model_dump()
            raise TaskFailed(task.id, task.reason, error)
        case State.CANCELLED:
            raise TaskCancelled(task.id)
        case _:
            raise TimeoutError(f"Task {task.id} is still {task.state}.")


def _over(deadline: float | None, now: float) -> bool:
    return deadline is not None and now >= deadline


def _slice(deadline: float | None, now: float) -> timedelta:
    if deadline is None:
        return LONGEST_CALL
    return min(LONGEST_CALL, timedelta(seconds=max(deadline - now, 0)))
