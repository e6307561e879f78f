"""Duly for synchronous code: the same calls, made from a thread that has no event loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from duly.domain.state import State
from duly.domain.task import Task, TaskId
from duly.handle import Handle
from duly.handler import Handler

R = TypeVar("R")


class Openable(Protocol):
    """What can be opened on an event loop."""

    async def __aenter__(self) -> Self:
        """Open."""
        ...

    async def __aexit__(self, *about: object) -> None:
        """Close."""
        ...


@dataclass(frozen=True, slots=True)
class BlockingHandle(Generic[R]):
    """A Handle whose methods block. Raises what those of Handle raise."""

    _handle: Handle[R]
    _portal: BlockingPortal

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self._handle.id

    def status(self) -> State:
        """The state that the task is in now."""
        return self._portal.call(self._handle.status)

    def task(self) -> Task:
        """The whole task as it is now."""
        return self._portal.call(self._handle.task)

    def result(self, timeout: timedelta | float | None = None) -> R:
        """Wait for the task's end and return what its handler returned."""
        return self._portal.call(self._handle.result, timeout)

    def cancel(self) -> Task:
        """Cancel, or ask the running task to stop."""
        return self._portal.call(self._handle.cancel)


@dataclass(frozen=True, slots=True)
class BlockingDuly:
    """An open Duly for one or many synchronous threads."""

    _portal: BlockingPortal

    def submit(self, handler: Handler[R], /, **arguments: object) -> BlockingHandle[R]:
        """Commit a task with the handler's arguments; returned after the commit."""

        async def submit() -> Handle[Any]:
            return await handler.submit(**arguments)

        return self.handle(self._portal.call(submit))

    def handle(self, task: Handle[R]) -> BlockingHandle[R]:
        """The same task, to be asked after by blocking calls: what ``submit_in`` gave, or ``Duly.handle``."""
        return BlockingHandle(task, self._portal)


@contextmanager
def open_blocking(duly: Openable) -> Iterator[BlockingDuly]:
    """Open on an event loop in a thread of its own."""
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(duly):
        yield BlockingDuly(portal)
