"""The client for ordinary code."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
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


class Client:
    """A Duly service. Use it as a context manager, or call ``close``. Safe in several threads, and after a fork.

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
        over: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._retries = retries
        self._make = partial(httpx.Client, **transport.setup(url, headers, key), transport=over)
        with transport.proxies_of_the_environment():
            self._made, self._process = self._make(), os.getpid()

    def submit(self, type_name: str, payload: object, **options: Unpack[SubmitOptions]) -> Task:
        """Have it done. After this returns, the task is stored. Raises Invalid, UnknownType, TooLarge, KeyInFlight."""
        return self._send(calls.submit(type_name, payload, options))

    def submit_many(self, submissions: Sequence[Submit], *, idempotency_key: str | None = None) -> list[Task]:
        """Up to 1,000 at once: all are accepted, in this order, or none."""
        return self._send(calls.submit_many(submissions, idempotency_key))

    def get(self, task_id: Id) -> Task:
        """The task as it is now. Raises TaskNotFound, TaskPurged."""
        return self._send(calls.get(task_id))

    def wait(self, task_id: Id, timeout: timedelta | None = None) -> Task:
        """Wait until the task is final, for so long at most; then it is returned as it is."""
        return self._hold(until_final(task_id, timeout, time.monotonic))

    def result(self, task_id: Id, timeout: timedelta | None = None) -> object:
        """Wait for the result. Raises TaskFailed, TaskCancelled, TimeoutError."""
        return result_of(self.wait(task_id, timeout))

    def stream(self, task_id: Id) -> Iterator[Task]:
        """The task as it is, then after each change (progress too), to its final state. Resumes what breaks.

        A slow reader may miss changes, the final one never. Raises TaskNotFound, TaskPurged.
        """
        following = Following(task_id, time.monotonic)
        while not following.over:
            broken = None
            try:
                with self._opened(following.call()) as source:
                    for event in source.iter_sse():
                        task = following.hear(event)
                        if task is not None:
                            yield task
            except (StoreUnavailable, TooMany) as error:
                broken = error
            if not following.over:
                time.sleep(following.pause(broken).total_seconds())

    def events(self, task_id: Id) -> list[Event]:
        """The task's story, oldest first."""
        return self._send(calls.events(task_id))

    def cancel(self, task_id: Id) -> Task:
        """Cancelled at once while it waits; a running task is asked to stop. Raises IllegalMove."""
        return self._send(calls.cancel(task_id))

    def retry(self, task_id: Id, payload: object = UNCHANGED) -> Task:
        """Run it again from the start, if given with another payload. Raises IllegalMove, KeyTaken."""
        return self._send(calls.retry(task_id, payload))

    def retry_many(self, which: RedriveFilter, limit: int = MOST, cursor: str | None = None) -> Redriven:
        """Run failed or cancelled tasks again, newest first, 1,000 at once at most; ``next`` is the next cursor.

        After StoreUnavailable some may have been retried; the same again does the rest.
        """
        return self._send(calls.redrive(Redrive(filter=which, limit=limit, cursor=cursor)))

    def delete(self, task_id: Id) -> None:
        """Delete a final task. Raises IllegalMove."""
        return self._send(calls.delete(task_id))

    def queues(self) -> list[Queue]:
        """Every queue, by name."""
        return self._send(calls.queues())

    def pause(self, queue: str) -> Queue:
        """Let no task of the queue start. Raises QueueNotFound."""
        return self._send(calls.pause(queue, paused=True))

    def resume(self, queue: str) -> Queue:
        """Let the queue's tasks start again. Raises QueueNotFound."""
        return self._send(calls.pause(queue, paused=False))

    def types(self) -> list[TaskType]:
        """Every type that the service has a handler for."""
        return self._send(calls.types())

    def workers(self) -> list[Worker]:
        """The workers that are alive."""
        return self._send(calls.workers())

    def stats(self) -> Stats:
        """The figures of all queues."""
        return self._send(calls.stats())

    def list(self, *, page_size: int = 100, basic: bool = False, **filters: Unpack[Filters]) -> Iterator[Task]:
        """All tasks that fit, newest first, fetched as they are needed; ``basic`` leaves payload and result out."""
        page = self._send(calls.page(filters, page_size, None, basic=basic))
        yield from page.tasks
        while page.next is not None:
            page = self._send(calls.page(filters, page_size, page.next, basic=basic))
            yield from page.tasks

    def close(self) -> None:
        """Give back all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _http(self) -> httpx.Client:
        """A forked process has connections of its own: on those of its parent each would read the other's answers."""
        if self._process != os.getpid():
            self._made, self._process = self._make(), os.getpid()
        return self._made

    def _send(self, call: Call[T]) -> T:
        wanted = named(call, self._retries)
        for failures in range(self._retries):
            try:
                return self._ask(wanted)
            except REPEATED as error:
                pause = pause_before(wanted, error, failures)
            time.sleep(pause.total_seconds())
        return self._ask(wanted)

    def _ask(self, call: Call[T]) -> T:
        try:
            response = self._http.send(transport.request(self._http, call, self._timeout))
        except httpx.HTTPError as error:
            raise transport.unreachable(self._url, error) from error
        return call.result(transport.answer(response))

    @contextmanager
    def _opened(self, call: Call[Task]) -> Iterator[EventSource]:
        try:
            response = self._http.send(transport.request(self._http, call, self._timeout), stream=True)
            with closing(response):
                if response.status_code != PROCEED:
                    response.read()
                    raise call.error(transport.answer(response))
                yield EventSource(response)
        except SSEError as error:
            raise RemoteError(PROCEED, "not-understood", str(error)) from error
        except httpx.HTTPError as error:
            raise transport.unreachable(self._url, error) from error

    def _hold(self, talk: Talk) -> Task:
        step = next(talk)
        while not isinstance(step, Task):
            step = self._answer(talk, step)
        return step

    def _answer(self, talk: Talk, step: Call[Task] | Pause) -> Step:
        if isinstance(step, Pause):
            time.sleep(step.length.total_seconds())
            return talk.send(None)
        try:
            task = self._ask(step)
        except (StoreUnavailable, TooMany) as error:
            return talk.throw(error)
        return talk.send(task)
