"""Server-sent events (HTML, section 9.2): a task's changes as they happen."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from duly.api.answers import reasons_to_wait
from duly.api.headers import STREAM
from duly.api.presence import ClientLeft, until_left
from duly.domain.errors import TooMany
from duly.domain.task import Task
from duly.engine.service import Service
from duly.wire.encode import View, task_json

SILENCE = timedelta(seconds=15)
"""After so long without an event a comment is sent, so that nothing between takes the connection for dead."""

RECONNECT = timedelta(seconds=2)
"""When a browser that lost its stream is to come back."""

PATIENCE = timedelta(seconds=60)
"""A reader that takes nothing for so long is given up."""


LetIn = Callable[[], Awaitable[bool]]

AGAIN = timedelta(seconds=5)
"""So long later a reader for whom there is no place may ask again."""


class Places:
    """How many streams are open in this process, and whose they are."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def check(self, name: str, most: int, most_of_one: int) -> None:
        """Raises TooMany when no place is left, or none for this identity."""
        if self._taken.total() >= most:
            raise TooMany(f"{most} event streams are open here, and no more are taken.", AGAIN)
        if self._taken[name] >= most_of_one:
            raise TooMany(f"You have {most_of_one} event streams open here, and may open no more.", AGAIN)

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Take a place for as long as the context is open."""
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]


class EventStream(StreamingResponse):
    """Sends events until they end, the client leaves, or it takes none for too long."""

    def __init__(self, events: AsyncGenerator[str, None], places: Places, name: str) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no", "vary": "Accept"}
        super().__init__(events, headers=headers, media_type=STREAM)
        self._events = events
        self._places = places
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream. When it has ended, nothing of it is left: no task, no listener."""
        del scope
        with self._places.one(self._name):
            try:
                async with aclosing(self._events), asyncio.TaskGroup() as group:
                    watch = group.create_task(until_left(receive))
                    await self._send_all(send)
                    watch.cancel()
            except* (ClientLeft, OSError):  # a TimeoutError is an OSError too
                pass

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for event in self._events:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await send({"type": "http.response.body", "body": event.encode("ascii"), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def events_of(
    service: Service, task: Task, last: int | None, view: View, let_in: LetIn
) -> AsyncGenerator[str, None]:
    """What is new since the event with the id ``last``, as text; None, or an id that is not of this task: all.

    Before each event or comment, so at least every SILENCE, ``let_in`` says whether the reader may go on.
    """
    yield f"retry: {RECONNECT // timedelta(milliseconds=1)}\n\n"
    known = last if last is not None and last <= task.version else 0
    seen = (known, task.progress_seq if task.progress is None and known == task.version else -1)
    async with aclosing(service.tasks.follow(task, seen, SILENCE)) as states:
        async for state in states:
            if not await let_in():
                return
            if state is None:
                yield ": nothing new\n\n"
            else:
                yield await _event(service, state, known, view)
                known = state.version


async def _event(service: Service, task: Task, known: int, view: View) -> str:
    """Between two versions there is progress only: it has no id, so that a reader resumes after the version."""
    head = "event: progress" if task.version == known else f"id: {task.version}\nevent: {task.state}"
    [reason] = await reasons_to_wait(service, [task])
    return f"{head}\ndata: {task_json(task, reason, view=view)}\n\n"
