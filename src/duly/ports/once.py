"""Submits that were named by their client: the same name twice gives the same tasks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from duly.domain.task import Task, TaskId


@dataclass(frozen=True, slots=True)
class OnceKey:
    """A client's name for one submit (its Idempotency-Key), and what that submit said."""

    scope: str
    """Whose name it is: two identities may use the same one."""
    key: str
    fingerprint: str
    """Of the parsed body: the same for bodies that say the same."""


@dataclass(frozen=True, slots=True)
class Added:
    """The tasks are committed, and the key with them: in order, itself or the live task that holds its key."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The key was there already: what was said under it, and the tasks that came of it."""

    fingerprint: str
    ids: tuple[TaskId, ...]


class OnceStore(Protocol):
    """The keys and what came of them."""

    async def add(self, once: OnceKey, tasks: Sequence[Task], *, within: Collection[str] | None = None) -> Added | Seen:
        """Commit the key and the tasks together, as TaskStore.add does, unless the key is there: then add nothing.

        An add of unknown outcome may be repeated with the same tasks: it is Added again. Raises KeyInFlight when an
        open transaction holds the key, or a task's, for over a second, and KeyTaken as TaskStore.add does.
        """
        ...

    async def seen(self, scope: str, key: str) -> Seen | None:
        """What came of this key; None: nothing that is committed."""
        ...

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """Drop up to ``limit`` keys that are older, the oldest first; their tasks stay. Returns how many."""
        ...
