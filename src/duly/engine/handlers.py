"""The types of tasks that this process knows, each with the function that does the work."""

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol

from duly.domain.callback import OWN
from duly.domain.errors import Misconfigured, TypeNotFound
from duly.domain.retry import LONGEST_WAIT, Retry
from duly.domain.task import HIGHEST_PRIORITY, LOWEST_PRIORITY
from duly.engine.signature import Signature

Executor = Literal["async", "thread", "process"]

MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """One type: its handler, its contract and its defaults."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    queue: str
    priority: int
    retry: Retry
    timeout: timedelta | None
    """For each attempt; None: the service's default."""
    executor: Executor
    description: str

    @property
    def importable(self) -> bool:
        """Whether a process of its own can find the function again by its module and name."""
        return "<locals>" not in self.function.__qualname__

    @property
    def found_again(self) -> bool:
        """Whether a process of its own would find this handler where its function says that it is."""
        found: object = sys.modules.get(self.function.__module__)
        for name in self.function.__qualname__.split("."):
            found = getattr(found, name, None)
        return getattr(found, "task_type", None) is self

    @property
    def payload_schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload; definitions, if any, are under ``$defs``."""
        return self.signature.payload.model_json_schema(by_alias=True)

    @property
    def result_schema(self) -> dict[str, Any]:
        """The JSON Schema of the result as it is stored."""
        return self.signature.result.json_schema(mode="serialization")


class Handlers:
    """The registered types, by name."""

    def __init__(self) -> None:
        self._types: dict[str, TaskType] = {}

    def add(self, task_type: TaskType) -> None:
        """Register a type. Raises Misconfigured when the name is taken by another function."""
        check_name("type", task_type.name)
        check_name("queue", task_type.queue)
        if not LOWEST_PRIORITY <= task_type.priority <= HIGHEST_PRIORITY:
            raise Misconfigured(f"Handler {task_type.name!r}: a priority is {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.")
        if task_type.timeout is not None and not timedelta() < task_type.timeout <= LONGEST_WAIT:
            raise Misconfigured(f"Handler {task_type.name!r}: a time-out is over 0 seconds and at most a year.")
        if task_type.executor == "process" and not task_type.importable:
            raise Misconfigured(f"Handler {task_type.name!r}: a process can import only what a module has at its top.")
        if task_type.name in self._types:
            raise Misconfigured(f"Two handlers have the type {task_type.name!r}; name one otherwise.")
        self._types[task_type.name] = task_type

    def find(self, name: str) -> TaskType | None:
        """The type, or None."""
        return self._types.get(name)

    def get(self, name: str) -> TaskType:
        """The type. Raises TypeNotFound."""
        found = self._types.get(name)
        if found is None:
            raise TypeNotFound(name)
        return found

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._types))

    def __iter__(self) -> Iterator[TaskType]:
        """All types, sorted by name."""
        return iter([self._types[name] for name in self.names()])

    def __len__(self) -> int:
        return len(self._types)


class Runnable(Protocol):
    """What a worker can run."""

    def find(self, name: str) -> TaskType | None:
        """The type, or None."""
        ...

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """The application's handlers, and one of Duly's own, which nobody submits to."""

    handlers: Handlers
    own: TaskType

    def find(self, name: str) -> TaskType | None:
        """See Runnable."""
        return self.own if name == self.own.name else self.handlers.find(name)

    def names(self) -> tuple[str, ...]:
        """See Runnable."""
        return tuple(sorted((*self.handlers.names(), self.own.name)))


def check_name(what: str, name: str) -> None:
    """Names of types and queues are 1 to 200 printable characters, and not Duly's own. Raises Misconfigured."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise Misconfigured(f"{name!r} is no name for a {what}: 1 to {MAX_NAME} printable characters.")
    if name.startswith(OWN):
        raise Misconfigured(f"{name!r} is no name for a {what} of yours: {OWN}… are Duly's own.")


def executor_of(function: Callable[..., object], asked: Executor | None) -> Executor:
    """Where a function runs: as asked, else in the event loop when it is ``async def``, else in a thread."""
    coroutine = inspect.iscoroutinefunction(function)
    if asked == "async" and not coroutine:
        raise Misconfigured("executor='async' needs an `async def` handler.")
    if asked == "thread" and coroutine:
        raise Misconfigured("executor='thread' needs a `def` handler; an `async def` one runs in the event loop.")
    return asked or ("async" if coroutine else "thread")
