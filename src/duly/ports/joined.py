"""The one door through which Duly writes inside a caller's own transaction."""

from collections.abc import Callable
from typing import Protocol

from duly.domain.task import Task, TaskId
from duly.domain.transition import Change


class Joined(Protocol):
    """The one door through which Duly writes inside a caller's own transaction.

    ``session`` is what the caller has open on the same database: a SQLAlchemy Session, AsyncSession, Connection or
    AsyncConnection; anything else raises Misconfigured. ``then`` is called after the outermost commit, never after a
    rollback. Nothing here commits.
    """

    async def add(self, session: object, task: Task, then: Callable[[], None]) -> Task:
        """Like TaskStore.add for one task. A key that is taken does not spoil the caller's transaction."""
        ...

    def add_blocking(self, session: object, task: Task, then: Callable[[], None]) -> Task:
        """The same for a synchronous Session or Connection, in the calling thread."""
        ...

    async def settle(
        self, session: object, task_id: TaskId, decide: Callable[[Task], Change], then: Callable[[], None]
    ) -> Task:
        """Lock the task's row, decide about it, and write the change. Returns the task as changed.

        What ``decide`` raises (ClaimLost) is passed on and nothing is written. Raises TaskNotFound.
        """
        ...

    def settle_blocking(
        self, session: object, task_id: TaskId, decide: Callable[[Task], Change], then: Callable[[], None]
    ) -> Task:
        """The same for a synchronous Session or Connection, in the calling thread."""
        ...
