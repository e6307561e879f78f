"""The memory store, put together."""

import platform
from collections.abc import Callable

from duly.domain.errors import Misconfigured
from duly.domain.task import Task, TaskId
from duly.domain.transition import Change
from duly.ports.clock import Clock
from duly.ports.store import StoreFacts
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.history import MemoryHistory
from duly.stores.memory.keys import MemoryKeys
from duly.stores.memory.once import MemoryOnce
from duly.stores.memory.queues import MemoryQueues
from duly.stores.memory.roster import MemoryRoster
from duly.stores.memory.tasks import MemoryTasks


class MemoryStore:
    """A Store. It may be used from any thread; what it holds is gone with the process."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self.clock = clock
        self.tasks = MemoryTasks(database, clock)
        self.history = MemoryHistory(database, clock)
        self.queues = MemoryQueues(database, clock)
        self.roster = MemoryRoster(database, clock)
        self.joined = JoinsNothing()
        self.once = MemoryOnce(database, clock)
        self.keys = MemoryKeys(database, clock)

    async def facts(self) -> StoreFacts:
        """See Store."""
        return StoreFacts("memory", f"Python {platform.python_version()}", "A commit does not survive the process.")

    async def check(self) -> None:
        """See Store. Memory is always there."""

    async def close(self) -> None:
        """See Store. The database stays as it is for other stores that share it."""


class JoinsNothing:
    """A Joined that says why it cannot: memory takes no part in a transaction of SQLAlchemy."""

    async def add(self, session: object, task: Task, then: Callable[[], None]) -> Task:
        """Raise Misconfigured."""
        del session, task, then
        raise _cannot_join()

    def add_blocking(self, session: object, task: Task, then: Callable[[], None]) -> Task:
        """Raise Misconfigured."""
        del session, task, then
        raise _cannot_join()

    async def settle(
        self, session: object, task_id: TaskId, decide: Callable[[Task], Change], then: Callable[[], None]
    ) -> Task:
        """Raise Misconfigured."""
        del session, task_id, decide, then
        raise _cannot_join()

    def settle_blocking(
        self, session: object, task_id: TaskId, decide: Callable[[Task], Change], then: Callable[[], None]
    ) -> Task:
        """Raise Misconfigured."""
        del session, task_id, decide, then
        raise _cannot_join()


def _cannot_join() -> Misconfigured:
    return Misconfigured(
        "The memory store cannot take part in your transaction. "
        "Use SQLite, PostgreSQL, MySQL or MariaDB (DULY_DATABASE_URL)."
    )
