"""How the engine tells what happens, and counts it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from duly.domain.figures import Family, Figures
from duly.domain.task import Task

Emit = Callable[[str, Mapping[str, object]], None]
"""Takes the name of a domain event (``task.settled``) and its facts. Called from any thread; never waits or raises."""


class Sending(Protocol):
    """A submit that is under way, as a span."""

    @property
    def traceparent(self) -> str:
        """What its tasks carry: all that becomes of them belongs to this span."""
        ...

    def accepted(self, tasks: Sequence[Task]) -> None:
        """It is committed; these are its tasks, or those that were there before."""
        ...


class Tracing(Protocol):
    """Makes spans of submits and attempts. A process that was not set up for traces has none of it."""

    def current(self) -> str | None:
        """The traceparent of the span that the caller is in; None outside of all."""
        ...

    def sending(self, given: str | None) -> AbstractContextManager[Sending]:
        """The span of a submit, below the caller's own span; below ``given`` where that is of another trace."""
        ...

    def processing(self, task: Task) -> AbstractContextManager[None]:
        """The span of an attempt that begins now, and before it that of the wait for it; both below the submit's."""
        ...

    def inside(self, traceparent: str | None) -> AbstractContextManager[None]:
        """Be in a span of another process, so that spans made here lie below it."""
        ...

    def telling(self, emit: Emit) -> Emit:
        """An ``emit`` that also notes on an attempt's span how it ended."""
        ...

    def flush(self, longest: timedelta) -> None:
        """Send what is finished. Blocks, for so long at most."""
        ...


class Tally(Protocol):
    """Counts. From any thread; a call takes less than a microsecond, and still belongs where it is once for a batch."""

    def add(self, family: Family, *labels: str, by: float = 1) -> None:
        """Count so many more."""
        ...

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Put one value into a histogram."""
        ...

    def put(self, family: Family, value: float, *labels: str) -> None:
        """This is what it is now."""
        ...

    def figures(self) -> Figures:
        """All that was counted since the process began; the caller's own to change."""
        ...


class Siblings(Protocol):
    """The processes that are scraped as one with this one. Its calls block for about a millisecond."""

    def tell(self, figures: Figures) -> None:
        """This is what this process has counted so far."""
        ...

    def others(self) -> list[Figures]:
        """What the others have told, at most some seconds ago, and what those had counted that have ended."""
        ...
