"""Status reads that need not reach the database. A cache may lose anything at any moment; it never goes back."""

from collections.abc import Collection
from datetime import timedelta
from typing import Protocol

from duly.domain.task import Task, TaskId


class Cache(Protocol):
    """Holds tasks as they were read. All its methods raise CacheUnavailable; then the database answers."""

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """Those that are held, in one round trip. A task that is held as gone is absent."""
        ...

    async def put(self, tasks: Collection[Task], kept: timedelta) -> None:
        """Hold these for so long.

        One whose (version, progress_seq) is not later than what is held is left out, and so is one that is held as
        gone: two writers that reorder cannot make a reader see an older state.
        """
        ...

    async def drop(self, ids: Collection[TaskId], kept: timedelta) -> None:
        """Hold these as gone for so long: deleted tasks, which a slow writer must not bring back."""
        ...

    async def check(self) -> str:
        """What it is and how it is set up, in one line. Raises CacheUnavailable."""
        ...

    async def close(self) -> None:
        """Give back all connections. May be called twice."""
        ...
