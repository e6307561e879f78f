"""The states of a task and the reasons why it is in one."""

from enum import StrEnum


class State(StrEnum):
    """Where a task is in its life."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__  # Enum's own is a function of Python, and each task's state is looked up several times


RUNNING, COMPLETED = State.RUNNING, State.COMPLETED
"""For where each task passes: Python 3.11 calls a function whenever a member is asked for."""

FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
WAITING = frozenset({State.SCHEDULED, State.PENDING})
LIVE = (State.SCHEDULED, State.PENDING, State.RUNNING)


class Reason(StrEnum):
    """Why a task is in its state, where that is not plain from the state."""

    HANDLER_ERROR = "handler_error"
    TIMEOUT = "timeout"
    SNOOZED = "snoozed"
    INTERRUPTED = "interrupted"
    WORKER_LOST = "worker_lost"
    POISON = "poison"
    NO_HANDLER = "no_handler"
    RESULT_INVALID = "result_invalid"
    RESULT_TOO_LARGE = "result_too_large"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
