"""The client for asynchronous code."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from types import MappingProxyType, TracebackType
from typing import Self, Unpack

import httpx
from httpx_sse import EventSource, SSEError

from duly.client import calls, transport
from duly.client.call import Call, T
from duly.client.calls import UNCHANGED, Filters, Id, SubmitOptions
from duly.client.errors import RemoteError
from duly.client.following import PROCEED, Following
from duly.client.repeating import REPEATED, named, pause_before
from duly.client.waiting import Pause, Step, Talk, result_of, until_final
from duly.domain.errors import StoreUnavailable, TooMany
from duly.wire.overview import Queue, Stats, Worker
from duly.wire.redrive import MOST, Redrive, RedriveFilter, Redriven
from duly.wire.story import Event
from duly.wire.submit import Submit
from duly.wire.task import Task
from duly.wire.task_type import TaskType


class AsyncClient:
    """A Duly service, for one event loop. Use it as an asynchronous context manager, or call ``close``.

    Errors are those of ``duly.domain.errors``, found by the code that the service answered; a service that does not
    answer raises ServiceUnreachable, an unknown code RemoteError. ``key`` is an API key or a JWT; not given, the
    environment variable DULY_KEY is.

    What is safe is sent again up to ``retries`` times when the service is away, busy or full, after the time that it
    asks for: reads, cancels, and submits, which get an idempotency key of their own. With ``retries=0`` nothing is.
    """

    def __init__(
        self,
        url: str = transport.DEFAULT_URL,
        *,
        key: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        timeout: timedelta = transport.DEFAULT_TIMEOUT,
        retries: int = transport.DEFAULT_RETRIES,
        over: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._retries = retries
        setup = transport.setup(url, headers, key)
        with transport.proxies_of_the_environment():
            self._http = httpx.AsyncClient(**setup, transport=over)

    async def submit(self, type_name: str, payload: object, **options: Unpack[SubmitOptions]) -> Task:
        """Have it done. After this returns, the task is stored. Raises Invalid, UnknownType, TooLarge, KeyInFlight."""
        return await self._send(calls.submit(type_name, payload, options))

    async def submit_many(self, submissions: Sequence[Submit], *, idempotency_key: str | None = None) -> list[Task]:
        """Up to 1,000 at once: all are accepted, in this order, or none."""
        return await self._send(calls.submit_many(submissions, idempotency_key))

    async def get(self, task_id: Id) -> Task:
        """The task as it is now. Raises TaskNotFound, TaskPurged."""
        return await self._send(calls.get(task_id))

    async def wait(self, task_id: Id, timeout: timedelta | None = None) -> Task:  # noqa: ASYNC109 - one signature for both clients
        """Wait until the task is final, for so long at most; then it is returned as it is."""
        return await self._hold(until_final(task_id, timeout, time.monotonic))

    async def result(self, task_id: Id, timeout: timedelta | None = None) -> object:  # noqa: ASYNC109 - the same
        """Wait for the result. Raises TaskFailed, TaskCancelled, TimeoutError."""
        return result_of(await self.wait(task_id, timeout))

    async def stream(self, task_id: Id) -> AsyncIterator[Task]:
        """The task as it is, then after each change (progress too), to its final state. Resumes what breaks.

        A slow reader may miss changes, the final one never. Raises TaskNotFound, TaskPurged.
        """
        following = Following(task_id, time.monotonic)
        while not following.over:
            broken = None
            try:
                async with self._opened(following.call()) as source:
                    async for event in source.aiter_sse():
                        task = following.hear(event)
                        if task is not None:
                            yield task
            except (StoreUnavailable, TooMany) as error:
                broken = error
            if not following.over:
                await asyncio.sleep(following.pause(broken).total_seconds())

    async def events(self, task_id: Id) -> list[Event]:
        """The task's story, oldest first."""
        return await self._send(calls.events(task_id))

    async def cancel(self, task_id: Id) -> Task:
        """Cancelled at once while it waits; a running task is asked to stop. Raises IllegalMove."""
        return await self._send(calls.cancel(task_id))

    async def retry(self, task_id: Id, payload: object = UNCHANGED) -> Task:
        """Run it again from the start, if given with another payload. Raises IllegalMove, KeyTaken."""
        return await self._send(calls.retry(task_id, payload))

    async def retry_many(self, which: RedriveFilter, limit: int = MOST, cursor: str | None = None) -> Redriven:
        """Run failed or cancelled tasks again, newest first, 1,000 at once at most; ``next`` is the next cursor.

        After StoreUnavailable some may have been retried; the same again does the rest.
        """
        return await self._send(calls.redrive(Redrive(filter=which, limit=limit, cursor=cursor)))

    async def delete(self, task_id: Id) -> None:
        """Delete a final task. Raises IllegalMove."""
        return await self._send(calls.delete(task_id))

    async def queues(self) -> list[Queue]:
        """Every queue, by name."""
        return await self._send(calls.queues())

    async def pause(self, queue: str) -> Queue:
        """Let no task of the queue start. Raises QueueNotFound."""
        return await self._send(calls.pause(queue, paused=True))

    async def resume(self, queue: str) -> Queue:
        """Let the queue's tasks start again. Raises QueueNotFound."""
        return await self._send(calls.pause(queue, paused=False))

    async def types(self) -> list[TaskType]:
        """Every type that the service has a handler for."""
        return await self._send(calls.types())

    async def workers(self) -> list[Worker]:
        """The workers that are alive."""
        return await self._send(calls.workers())

    async def stats(self) -> Stats:
        """The figures of all queues."""
        return await self._send(calls.stats())

    async def list(
        self, *, page_size: int = 100, basic: bool = False, **filters: Unpack[Filters]
    ) -> AsyncIterator[Task]:
        """All tasks that fit, newest first, fetched as they are needed; ``basic`` leaves payload and result out."""
        page = await self._send(calls.page(filters, page_size, None, basic=basic))
        for task in page.tasks:
            yield task
        while page.next is not None:
            page = await self._send(calls.page(filters, page_size, page.next, basic=basic))
            for task in page.tasks:
                yield task

    async def close(self) -> None:
        """Give back all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Call[T]) -> T:
        wanted = named(call, self._retries)
        for failures in range(self._retries):
            try:
                return await self._ask(wanted)
            except REPEATED as error:
                pause = pause_before(wanted, error, failures)
            await asyncio.sleep(pause.total_seconds())
        return await self._ask(wanted)

    async def _ask(self, call: Call[T]) -> T:
        try:
            response = await self._http.send(transport.request(self._http, call, self._timeout))
        except httpx.HTTPError as error:
            raise transport.unreachable(self._url, error) from error
        return call.result(transport.answer(response))

    @asynccontextmanager
    async def _opened(self, call: Call[Task]) -> AsyncIterator[EventSource]:
        try:
            response = await self._http.send(transport.request(self._http, call, self._timeout), stream=True)
            async with aclosing(response):
                if response.status_code != PROCEED:
                    await response.aread()
                    raise call.error(transport.answer(response))
                yield EventSource(response)
        except SSEError as error:
            raise RemoteError(PROCEED, "not-understood", str(error)) from error
        except httpx.HTTPError as error:
            raise transport.unreachable(self._url, error) from error

    async def _hold(self, talk: Talk) -> Task:
        step = next(talk)
        while not isinstance(step, Task):
            step = await self._answer(talk, step)
        return step

    async def _answer(self, talk: Talk, step: Call[Task] | Pause) -> Step:
        if isinstance(step, Pause):
            await asyncio.sleep(step.length.total_seconds())
            return talk.send(None)
        try:
            task = await self._ask(step)
        except (StoreUnavailable, TooMany) as error:
            return talk.throw(error)
        return talk.send(task)
