"""``Duly``: what an application imports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack, overload
from uuid import UUID

from sqlalchemy import Connection, Table

from duly.assembly import Core, StoreOpener, open_core
from duly.assembly_worker import work
from duly.blocking import BlockingDuly, open_blocking
from duly.domain.errors import Misconfigured
from duly.domain.identity import Scope
from duly.domain.retry import Retry
from duly.domain.task import DEFAULT_PRIORITY, DEFAULT_QUEUE, TaskId
from duly.engine.handlers import Executor, Handlers, TaskType, executor_of
from duly.engine.service import Service
from duly.engine.signature import signature_of
from duly.engine.submission import Submission
from duly.handle import Handle
from duly.handler import Handler, Options, called, named
from duly.settings import Settings, load_settings
from duly.starting import awaited, started
from duly.stores.sql.schema import tasks as tasks_table

if TYPE_CHECKING:  # a worker has no use for a web framework, and it takes long to import
    from fastapi import APIRouter, FastAPI
    from fastapi.params import Depends

    from duly.api.host import Guard

R = TypeVar("R")


class How(TypedDict, total=False):
    """What ``@duly.task(...)`` takes."""

    name: str
    queue: str
    priority: int
    retry: Retry
    timeout: timedelta
    executor: Executor


class Duly:
    """Handlers, and a way to submit to them. Making one opens nothing and reads nothing.

    It is open inside ``async with duly:``, inside ``FastAPI(lifespan=duly.lifespan)``, and in the processes that the
    ``duly`` commands start. Opened twice at once, it is opened once and closed with the last.
    """

    def __init__(self, settings: Settings | None = None, *, opener: StoreOpener | None = None) -> None:
        self.handlers = Handlers()
        self._settings = settings
        self._opener = opener
        self._stack: AsyncExitStack | None = None
        self._core: Core | None = None
        self._lock = Lock()
        self._opened = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()

    @overload
    def task(self, function: Callable[..., Coroutine[Any, Any, R]], /) -> Handler[R]: ...

    @overload
    def task(self, function: Callable[..., R], /) -> Handler[R]: ...

    @overload
    def task(self, **how: Unpack[How]) -> Callable[[Callable[..., Any]], Handler[Any]]: ...

    def task(self, *function: Callable[..., Any], **how: Any) -> Any:
        """Register a handler; its signature is the contract of its payload and its result.

        ``name`` is the task's type (else the function's name); ``queue``, ``priority``, ``retry`` and ``timeout`` are
        defaults that a submission may override; ``executor`` is "async" (the event loop; default for ``async def``),
        "thread" (default for ``def``) or "process" (one of its own, which can be killed). Raises Misconfigured.
        """
        if function:
            return self._register(*function)
        return lambda decorated: self._register(decorated, **how)

    @property
    def settings(self) -> Settings | None:
        """What it was made with. None: it reads the environment when it is opened."""
        return self._settings

    @property
    def service(self) -> Service:
        """Everything that may be asked of an open Duly. Raises Misconfigured when it is not open."""
        return self.core.service

    @property
    def core(self) -> Core:
        """The open parts. Raises Misconfigured when it is not open."""
        if self._core is None:
            raise Misconfigured("Duly is not open: use `async with duly:`, or FastAPI(lifespan=duly.lifespan).")
        return self._core

    async def __aenter__(self) -> Self:
        self._join(asyncio.get_running_loop())
        try:
            async with self._turn:
                if self._core is None:
                    await self._open()
        except BaseException:
            self._opened -= 1
            raise
        return self

    async def __aexit__(self, *about: object) -> None:
        async with self._turn:
            self._opened -= 1
            if self._opened == 0 and self._stack is not None:
                stack, self._stack, self._core = self._stack, None, None
                await stack.aclose()

    @contextmanager
    def on(self, core: Core) -> Iterator[None]:
        """Stand on parts that somebody else has opened, and closes: tests do."""
        before, self._core = self._core, core
        try:
            yield
        finally:
            self._core = before

    @asynccontextmanager
    async def lifespan(self, _: "FastAPI") -> AsyncIterator[None]:
        """For ``FastAPI(lifespan=duly.lifespan)``: open to submit, in as many processes as the server has.

        A database that is away is waited for up to 30 seconds, a broker for three; then it begins without the broker.
        It starts no worker: what a web server runs several times or reloads must not run tasks.
        """
        async with started(self):
            yield

    def router(self, dependencies: Sequence["Depends"] = ()) -> "APIRouter":
        """Duly's HTTP surface for ``app.include_router``; ``dependencies`` guard each of its routes."""
        from duly.api.router import router as make_router  # noqa: PLC0415  # see the top

        return make_router(lambda: self.service, self.handlers, dependencies)

    def guard(self, *scopes: str) -> "Guard":
        """For ``Depends(duly.guard("tasks:submit"))`` on a route of yours: it asks who comes as Duly's own routes do.

        Whoever holds one of the scopes is let in; all are where the settings ask nobody. Gives the identity.
        """
        from duly.api.host import Guard  # noqa: PLC0415  # see the top

        return Guard(lambda: self.service, map(Scope, scopes))

    def health_router(self) -> "APIRouter":
        """`/health/live` and `/health/ready` for ``app.include_router``."""
        from duly.api.host import health_router  # noqa: PLC0415  # see the top

        return health_router(lambda: self.service)

    def metrics_router(self) -> "APIRouter":
        """`/metrics` for ``app.include_router``; guard it with ``dependencies`` of yours, or ``duly.guard``."""
        from duly.api.host import metrics_router  # noqa: PLC0415  # see the top

        return metrics_router(lambda: self.service)

    async def migrate(self, also: Callable[[Connection], None] | None = None) -> None:
        """Make Duly's tables, or bring them up to date; need not be open. Safe for several processes at once.

        ``also`` runs on the same connection while the others wait: ``Base.metadata.create_all`` makes your tables too.
        A database that is away is waited for up to 30 seconds. Raises StoreUnavailable, Misconfigured.
        """
        from duly.stores.sql.migrate import migrate as migrate_sql  # noqa: PLC0415  # slow to import, used here alone

        url = (self._settings or load_settings()).database_url
        await awaited(lambda: migrate_sql(url, also))

    @property
    def table(self) -> Table:
        """The table of Duly's tasks, to be joined to your own in a SELECT by the task's id. Never write to it.

        These columns stay as they are: id, type, queue, state, attempt, failures, created_at, started_at, finished_at,
        and, as JSON text, payload, result, error and progress.
        """
        return tasks_table

    async def submit(
        self,
        type_name: str,
        payload: Mapping[str, object] | None = None,
        *,
        session: object | None = None,
        **options: Any,
    ) -> Handle[Any]:
        """Submit by the type's name, with a payload in JSON's own values. Raises as ``Handler.submit`` does."""
        return await self._submit(named(type_name, payload, options), session)

    def submit_in(
        self, session: object, type_name: str, payload: Mapping[str, object] | None = None, **options: Any
    ) -> Handle[Any]:
        """Insert a task in the transaction of a synchronous Session or Connection, by the type's name."""
        return self._submit_in(session, named(type_name, payload, options))

    def handle(self, task_id: UUID | str, handler: Handler[R] | None = None) -> Handle[R]:
        """Ask after a task by its id; with its handler, results come as the return annotation has them."""
        return Handle(TaskId(UUID(str(task_id))), self.service.tasks, None if handler is None else handler.task_type)

    def blocking(self) -> AbstractContextManager[BlockingDuly]:
        """Open it for synchronous code, on an event loop in a thread of its own."""
        return open_blocking(self)

    def celery_app(self, name: str = "duly") -> Any:
        """A Celery application whose workers run these handlers: ``celery -A app.celery_app worker``.

        Reads the settings now; DULY_BROKER_URL names Celery's own broker (``celery+redis://…``, ``celery+amqp://…``).
        Nothing connects before a worker starts. Raises Misconfigured.
        """
        try:
            from duly.fleet import celery_fleet  # noqa: PLC0415  # an optional library
        except ModuleNotFoundError as error:
            raise Misconfigured("A Celery fleet needs Celery: pip install 'duly[celery]'.") from error
        return celery_fleet(self, self._settings or load_settings(), name)

    async def work(self, stop: asyncio.Event) -> bool:
        """Run a worker on this open Duly until ``stop`` is set, and drain it."""
        return await work(self.core, stop)

    def submit_call(
        self, task_type: TaskType, arguments: Mapping[str, object], options: Options, session: object | None
    ) -> Coroutine[Any, Any, Handle[Any]]:
        """To be awaited: commit a task for a handler's arguments, or insert it on the caller's own session."""
        return self._submit(called(task_type, arguments, options), session)

    def submit_call_blocking(
        self, task_type: TaskType, arguments: Mapping[str, object], options: Options, session: object
    ) -> Handle[Any]:
        """Insert a task for a handler's arguments on the caller's own synchronous session."""
        return self._submit_in(session, called(task_type, arguments, options))

    def _join(self, loop: asyncio.AbstractEventLoop) -> None:
        """One more has it open. Raises Misconfigured when that is another event loop than the one that opened it."""
        with self._lock:
            if self._opened and self._loop is not loop:
                raise Misconfigured(
                    "Duly is open on another event loop: submit there, or make another Duly for this thread."
                )
            if not self._opened:
                self._loop, self._turn = loop, asyncio.Lock()
            self._opened += 1

    async def _open(self) -> None:
        stack = AsyncExitStack()
        core = open_core(self._settings or load_settings(), self.handlers, opener=self._opener)
        self._core = await stack.enter_async_context(core)
        self._stack = stack

    async def _submit(self, wanted: Submission, session: object | None) -> Handle[Any]:
        tasks = self.service.tasks
        if session is None:
            stored = (await tasks.submit(wanted)).task
        else:
            task = tasks.make(wanted)
            stored = await self.service.store.joined.add(session, task, lambda: tasks.announce(task))
        return Handle(stored.id, tasks, self.handlers.find(wanted.type))

    def _submit_in(self, session: object, wanted: Submission) -> Handle[Any]:
        tasks = self.service.tasks
        task = tasks.make(wanted)
        stored = self.service.store.joined.add_blocking(session, task, lambda: tasks.announce(task))
        return Handle(stored.id, tasks, self.handlers.find(wanted.type))

    def _register(self, function: Callable[..., Any], **how: Unpack[How]) -> Handler[Any]:
        name = how.get("name", getattr(function, "__name__", repr(function)))
        task_type = TaskType(
            name=name,
            function=function,
            signature=signature_of(function, name),
            queue=how.get("queue", DEFAULT_QUEUE),
            priority=how.get("priority", DEFAULT_PRIORITY),
            retry=how.get("retry", Retry()),
            timeout=how.get("timeout"),
            executor=executor_of(function, how.get("executor")),
            description=(function.__doc__ or "").strip(),
        )
        self.handlers.add(task_type)
        return Handler(task_type, self, Options())
