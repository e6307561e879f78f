"""A registered handler: the user's function, which can also be submitted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypedDict, TypeVar, Unpack

from duly.engine.handlers import TaskType
from duly.engine.jsontext import Encoded
from duly.engine.submission import Submission
from duly.handle import Handle
from duly.telemetry.context import request_id

P = ParamSpec("P")
R = TypeVar("R")


class Options(TypedDict, total=False):
    """How one submission differs from its type's defaults."""

    queue: str
    priority: int
    delay: timedelta
    run_at: datetime
    max_attempts: int
    timeout: timedelta
    expires_at: datetime
    key: str
    tags: tuple[str, ...]
    request_id: str
    traceparent: str
    callback_url: str


class Submitting(Protocol):
    """Takes a handler's arguments to the store."""

    async def submit_call(
        self, task_type: TaskType, arguments: Mapping[str, object], options: Options, session: object | None
    ) -> Handle[Any]:
        """Commit a task, or insert it on the caller's own session."""
        ...

    def submit_call_blocking(
        self, task_type: TaskType, arguments: Mapping[str, object], options: Options, session: object
    ) -> Handle[Any]:
        """Insert a task on the caller's own synchronous session."""
        ...


@dataclass(frozen=True, slots=True)
class Handler(Generic[R]):
    """What ``@duly.task`` makes of a function. Called, it is still that function: nothing is submitted."""

    task_type: TaskType
    _duly: Submitting
    _options: Options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, here and now."""
        return self.task_type.function(*args, **kwargs)

    def options(self, **options: Unpack[Options]) -> "Handler[R]":
        """The same handler with these options for what is submitted through it: a delay, a key, a queue, tags."""
        merged: Options = {**self._options, **options}
        return replace(self, _options=merged)

    async def submit(self, /, *, session: object | None = None, **arguments: object) -> Handle[R]:
        """Submit a task with the handler's arguments, by name. Returned after the commit, never before.

        With ``session`` (a SQLAlchemy AsyncSession, AsyncConnection, Session or Connection on Duly's database) the task
        is inserted in the caller's own transaction: it exists when, and only when, that commits. Raises Invalid when
        the arguments do not fit, KeyInFlight, StoreUnavailable.
        """
        return await self._duly.submit_call(self.task_type, arguments, self._options, session)

    def submit_in(self, session: object, /, **arguments: object) -> Handle[R]:
        """Insert a task in the transaction of a synchronous Session or Connection, from synchronous code."""
        return self._duly.submit_call_blocking(self.task_type, arguments, self._options, session)


Decorator = Callable[[Callable[..., Any]], Handler[Any]]


def named(type_name: str, payload: Mapping[str, object] | None, options: dict[str, Any]) -> Submission:
    """A submission by the type's name, with a payload in JSON's own values."""
    return _submission(type_name, dict(payload or {}), options)


def called(task_type: TaskType, arguments: Mapping[str, object], options: Options) -> Submission:
    """A submission by a handler's arguments. Raises as its signature does."""
    payload = Encoded(task_type.signature.encode(arguments), checked=True)
    return _submission(task_type.name, payload, options)


def _submission(type_name: str, payload: object, options: Mapping[str, Any]) -> Submission:
    """Inside a request, or a handler, what is submitted carries its request id, unless another one is given."""
    wanted = Submission(type_name, payload, request_id=request_id())
    return wanted._replace(**options) if options else wanted
