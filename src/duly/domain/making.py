"""Tasks, made fast: every claim and every settle makes one, and a constructor of so many fields takes its time."""

from functools import partial
from typing import TYPE_CHECKING

from duly.domain.task import Task

UNTRIED = (0, 0, 0, 0, None, None, None, None, None, False)
"""The fields from ``attempt`` to ``cancelling`` of a task that nobody has claimed."""

UNENDED = (None, 1, None, None, None)
"""The fields after ``state`` of a task to which nothing has happened."""

ERROR = Task._fields.index("error")
"""The place of the error. What stands before it a completion leaves as it was."""

STATE = Task._fields.index("state")
"""The place of the state. What stands before it an ordinary completion leaves as it was."""

_TRIED = slice(Task._fields.index("attempt"), STATE)
_ENDED = slice(STATE + 1, None)

if TYPE_CHECKING:

    def of(values: tuple[object, ...]) -> Task:
        """What ``Task`` makes of these values: all fields, in their order."""
        ...
else:
    of = partial(tuple.__new__, Task)


def is_new(task: Task) -> bool:
    """Whether nothing has happened to the task yet, as with nearly all that are inserted."""
    return task[_TRIED] == UNTRIED and task[_ENDED] == UNENDED
