"""Tasks, made fast: every claim and every settle makes one, and a constructor of so many fields takes its time."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from duly.domain.state import State
from duly.domain.task import Task

UNTRIED = (0, 0, 0, 0, None, None, None, None, None, False)
"""The fields from ``attempt`` to ``cancelling`` of a task that nobody has claimed."""

UNENDED = (None, 1, None, None, None)
"""The fields after ``state`` of a task to which nothing has happened."""

ERROR = Task._fields.index("error")
"""The place of the error. What stands before it a completion leaves as it was."""

STATE = Task._fields.index("state")
"""The place of the state. What stands before it an ordinary completion leaves as it was."""

READY = (*UNTRIED, State.PENDING, *UNENDED)
LATER = (*UNTRIED, State.SCHEDULED, *UNENDED)
"""The fields from ``attempt`` on of a new task: one that may be claimed at once, and one that may not."""

_TRIED = slice(Task._fields.index("attempt"), STATE)
_ENDED = slice(STATE + 1, None)
_LIFE = slice(_TRIED.start, None)

if TYPE_CHECKING:

    def of(values: tuple[object, ...]) -> Task:
        """What ``Task`` makes of these values: all fields, in their order."""
        ...
else:
    of = partial(tuple.__new__, Task)


def fields(*names: str) -> Callable[[Task], Any]:
    """What takes these of a task, in this order and in one step."""
    return itemgetter(*map(Task._fields.index, names))


def is_ready(task: Task) -> bool:
    """Whether the task is new and may be claimed at once, as with nearly all that are inserted."""
    return task[_LIFE] == READY


def is_new(task: Task) -> bool:
    """Whether nothing has happened to the task yet."""
    return task[_TRIED] == UNTRIED and task[_ENDED] == UNENDED
