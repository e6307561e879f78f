"""What a handler's end means: the fact that follows from what it returned or raised."""

import traceback
from asyncio import CancelledError
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from duly.domain.errors import Invalid, ResultInvalid, ResultTooLarge
from duly.domain.fact import Interrupted, Raised, Returned, Snoozed, Stopped, Unstorable, WorkerFact
from duly.domain.failure import Failure
from duly.domain.retry import Fail, Retry, RetryAfter, Snooze
from duly.domain.state import Reason
from duly.domain.task import Task
from duly.engine.cause import Cause
from duly.engine.handlers import TaskType
from duly.engine.jsontext import size_of
from duly.engine.limits import Limits

CALLERS = ("duly.engine.call", "duly.engine.child", "duly.engine.inline")
"""Modules that call handlers: what a traceback has up to them is of no use to a handler's author."""

LONGEST_UNHANDLED = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one attempt. ``luck``, drawn evenly from [0, 1), is the jitter of the wait before a retry."""

    task: Task
    retry: Retry
    luck: float

    def ended(self, cause: Cause | None, error: BaseException) -> WorkerFact:
        """The handler raised this: an answer to being told to end for that cause, or its own doing."""
        match cause:
            case Cause.TIMEOUT:
                return self.timed_out()
            case Cause.CANCEL:
                return Stopped(self.task.claim)
            case Cause.STOP | Cause.LOST:
                return Interrupted(self.task.claim)
            case None if isinstance(error, CancelledError):
                return self.failed(Failure("CancelledError", "The handler cancelled itself."))
            case None:
                return self.raised(error)

    def raised(self, error: BaseException) -> WorkerFact:
        """The handler raised this."""
        token = self.task.claim
        match error:
            case Snooze():
                return Snoozed(token, error.delay)
            case Fail():
                return Raised(token, failure_of(error), None)
            case RetryAfter():
                return Raised(token, failure_of(error), error.delay)
            case ResultInvalid() | ResultTooLarge():
                return _unstorable(self.task, error)
            case _:
                return Raised(token, failure_of(error), self._wait(error))

    def misfit(self, error: BaseException) -> WorkerFact:
        """The stored payload does not fit the signature that this worker has: no retry here can mend that.

        What is not Invalid a validator of the user's own has raised.
        """
        if not isinstance(error, Invalid):
            return self.raised(error)
        places = "; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in error.flaws)
        return Raised(self.task.claim, Failure("PayloadInvalid", f"{error} {places}"), None)

    def failed(self, failure: Failure) -> Raised:
        """The attempt failed in a way that has no exception."""
        return Raised(self.task.claim, failure, self._wait(RuntimeError()))

    def crash_wait(self) -> timedelta:
        """How long the task is kept back after one more crash."""
        return crash_wait(self.task.crashes + 1, self.luck)

    def timed_out(self) -> Raised:
        """The attempt took longer than it may."""
        token = self.task.claim
        seconds = self.task.timeout.total_seconds()
        failure = Failure("Timeout", f"The attempt took longer than its time-out of {seconds:g} s.")
        return Raised(token, failure, self._wait(TimeoutError()), Reason.TIMEOUT)

    def _wait(self, error: BaseException) -> timedelta | None:
        if isinstance(error, self.retry.never):
            return None
        policy = self.retry.for_error(error)
        failures = self.task.failures + 1
        if policy is not self.retry and failures >= policy.max_attempts:
            return None
        return policy.wait(failures, self.luck)


def returned(task: Task, task_type: TaskType, value: object, limits: Limits) -> Returned | Unstorable:
    """The handler returned this value."""
    try:
        return Returned(task.claim, result_text(task_type, value, limits))
    except (ResultInvalid, ResultTooLarge) as error:
        return _unstorable(task, error)


def _unstorable(task: Task, error: ResultInvalid | ResultTooLarge) -> Unstorable:
    reason = Reason.RESULT_INVALID if isinstance(error, ResultInvalid) else Reason.RESULT_TOO_LARGE
    return Unstorable(task.claim, Failure(type(error).__name__, str(error)), reason)


def result_text(task_type: TaskType, value: object, limits: Limits) -> str:
    """The result as it is stored. Raises ResultInvalid, ResultTooLarge."""
    text = task_type.signature.encode_result(value)
    size = size_of(text)
    if size > limits.max_result:
        raise ResultTooLarge(f"The result has {size} bytes; {limits.max_result} are allowed.")
    return text


def crash_wait(crashes: int, luck: float) -> timedelta:
    """Nothing after the first crash; then a wait that doubles up to a minute, half of it drawn at random."""
    if crashes <= 1:
        return timedelta()
    return min(timedelta(seconds=2 ** min(crashes, 10) / 2), timedelta(minutes=1)) * (0.5 + luck / 2)


def unhandled_wait(task: Task, now: datetime) -> timedelta:
    """As long again as the task has existed, a minute at most: back-off without a counter."""
    return min(max(now - task.created_at, timedelta(seconds=1)), LONGEST_UNHANDLED)


def failure_of(error: BaseException) -> Failure:
    """What is kept of an exception: its type, text and traceback."""
    cls = type(error)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return Failure(name, _text(error), "".join(_traceback(error)))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as fault:  # noqa: BLE001  # the user's own __str__ may do anything
        return f"(its text cannot be had: {type(fault).__name__})"


def _traceback(error: BaseException) -> list[str]:
    frames = _handlers_own(error.__traceback__)
    try:
        return traceback.format_exception(type(error), error, frames)
    except BaseException:  # noqa: BLE001  # formats the user's exception, which may do anything
        return traceback.format_tb(frames)


def _handlers_own(frames: TracebackType | None) -> TracebackType | None:
    """The frames below those that called the handler; all, when the handler was not even entered."""
    own, at = frames, frames
    while at is not None:
        if at.tb_frame.f_globals.get("__name__") in CALLERS:
            own = at.tb_next
        at = at.tb_next
    return own or frames
