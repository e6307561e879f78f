"""One attempt that runs here: what its handler may ask of it, and how it is ended from outside."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from duly.domain.errors import ClaimLost, Misconfigured
from duly.domain.fact import Returned
from duly.domain.task import Task
from duly.domain.transition import Change, decide
from duly.engine.cause import Cause
from duly.engine.context import Context
from duly.engine.handlers import TaskType
from duly.engine.limits import Limits
from duly.engine.outcome import result_text
from duly.ports.joined import Joined


class Means(NamedTuple):
    """What all attempts of a process have in common."""

    limits: Limits
    report: "Callable[[Running, str], None]"
    """Keeps an attempt's newest progress."""
    joined: Joined | None
    now: Callable[[], datetime]


class Running:
    """Stands behind a Context, in whichever process the handler runs."""

    __slots__ = (
        "_asked",
        "_means",
        "_on_end",
        "_progress",
        "_task_type",
        "cause",
        "settled_inside",
        "settling",
        "task",
    )

    def __init__(self, task: Task, task_type: TaskType, means: Means) -> None:
        self.task = task
        self.cause: Cause | None = None
        self.settled_inside = False
        """The handler has called complete_in; whether that committed must be read from the database."""
        self.settling = False
        """Its outcome is being written: that its claim is gone is no news any more."""
        self._task_type = task_type
        self._means = means
        self._progress: str | None = None
        self._asked: tuple[Cause, ...] = ()
        self._on_end: Callable[[Cause], None] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the attempt is to end."""
        return self.cause is not None

    def on_end(self, tell: Callable[[Cause], None] | None) -> None:
        """Be told, in the thread that calls ``end``, when the attempt is to end; at once if it already is.

        Whoever is told may be told more than once. None: nobody wants to be told any more.
        """
        self._on_end = tell
        if self.cause is not None and tell is not None:
            tell(self.cause)

    def end(self, cause: Cause) -> None:
        """Ask the attempt to end. The first cause stays, but a lost claim outweighs all: nothing can be settled.

        Asked again for the same cause it does nothing: a handler that cleans up must not be cancelled once more.
        """
        if cause in self._asked:
            return
        self._asked += (cause,)
        if self.cause is None or cause is Cause.LOST:
            self.cause = cause
        tell = self._on_end
        if tell is not None:
            tell(cause)

    def report(self, progress: str) -> None:
        """Keep the newest progress."""
        self._progress = progress
        self._means.report(self, progress)

    async def complete_in(self, session: object, result: object) -> None:
        """Settle inside the caller's transaction."""
        decision = self._decision(result)
        self.settled_inside = True
        await self._door().settle(session, self.task.id, decision, _nothing)

    def complete_in_blocking(self, session: object, result: object) -> None:
        """The same for a synchronous session, in the calling thread."""
        decision = self._decision(result)
        self.settled_inside = True
        self._door().settle_blocking(session, self.task.id, decision, _nothing)

    def context(self) -> Context:
        """What the handler is given."""
        task = self.task
        return Context(
            task_id=task.id,
            type=task.type,
            queue=task.queue,
            attempt=task.attempt,
            failures=task.failures,
            max_attempts=task.max_attempts,
            timeout=task.timeout,
            request_id=task.request_id,
            traceparent=task.traceparent,
            behind=self,
        )

    def arguments(self) -> dict[str, object]:
        """What the handler is called with. Raises Invalid when the payload does not fit its signature (any more)."""
        signature = self._task_type.signature
        arguments = signature.decode(self.task.payload)
        if signature.context is not None:
            arguments[signature.context] = self.context()
        return arguments

    def _decision(self, result: object) -> Callable[[Task], Change]:
        if self.cause is Cause.LOST:
            raise ClaimLost(self.task.id)
        fact = Returned(self.task.claim, result_text(self._task_type, result, self._means.limits))

        def completed(current: Task) -> Change:
            change = decide(current, fact, self._means.now())
            assert change is not None  # noqa: S101  # a completion always changes the task
            return with_progress(change, self._progress)

        return completed

    def _door(self) -> Joined:
        if self._means.joined is None:
            raise Misconfigured("This store cannot write inside a caller's transaction.")
        return self._means.joined


def with_progress(change: Change, progress: str | None) -> Change:
    """The change with the attempt's last progress, which no sign of life has carried yet."""
    if progress is None or progress == change.before.progress:
        return change
    after = change.after._replace(progress=progress, progress_seq=change.before.progress_seq + 1)
    return change._replace(after=after)


def _nothing() -> None:
    """The worker rings the bell itself once the handler has returned."""
