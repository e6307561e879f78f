"""Announces to a Celery fleet: a Celery message for each task, with an id that no message has had."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import TypeVar

from amqp.exceptions import PreconditionFailed
from celery import Celery
from celery import __version__ as celery_version
from kombu import Connection, Producer
from kombu.exceptions import KombuError

from duly.brokers.celery.application import RUN, Address, address_of, celery_application, queue_of
from duly.domain.errors import BrokerUnavailable
from duly.domain.task import TaskId
from duly.links.redis import facts_of, risks_to_hints
from duly.ports.broker import BrokerFacts, Hint
from duly.ports.telemetry import Emit

R = TypeVar("R")

LONGEST_WAIT = timedelta(seconds=5)
"""So long may the broker be silent."""

MAX_MESSAGES = 10_000
"""A queue that holds so many is told of no more: the relay finds its tasks when there is room."""


@asynccontextmanager
async def open_celery_announcer(
    url: str, emit: Emit, *, longest: timedelta = LONGEST_WAIT
) -> AsyncIterator["CeleryAnnouncer"]:
    """An announcer to ``celery+redis://…`` or ``celery+amqp://…``; connects when it is used. Raises Misconfigured."""
    address = address_of(url)
    announcer = CeleryAnnouncer(celery_application(address), address, longest, emit)
    try:
        yield announcer
    finally:
        await announcer.close()


class CeleryAnnouncer:
    """An Announcer. Celery blocks, so each call is made in a thread, one at a time, on one connection."""

    def __init__(self, app: Celery, address: Address, longest: timedelta, emit: Emit) -> None:
        self._app = app
        self._address = address
        self._longest = longest.total_seconds()
        self._emit = emit
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._declared: dict[str, str] = {}

    async def announce(self, hints: Sequence[Hint]) -> None:
        """See Announcer. What a full queue has no room for is left to the relay, and told."""
        refused = await self._call(partial(self._announce, hints))
        if refused:
            self._emit("broker.full", {"refused": refused, "queues": sorted({hint.queue for hint in hints})})

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """See Announcer. Messages that a Celery worker holds already are not counted."""
        return await self._call(partial(self._depths, queues))

    async def facts(self) -> BrokerFacts:
        """See Announcer."""
        return await self._call(self._facts)

    async def listeners(self, longest: timedelta) -> dict[str, list[str]]:
        """Which Celery workers that answer in time listen to which queues. Raises BrokerUnavailable."""
        return await self._call(partial(self._listeners, longest.total_seconds()))

    async def close(self) -> None:
        """See Announcer."""
        async with self._lock:
            await asyncio.to_thread(self._drop)

    async def _call(self, call: Callable[[], R]) -> R:
        async with self._lock:
            return await asyncio.to_thread(self._translated, call)

    def _translated(self, call: Callable[[], R]) -> R:
        connection = self._connected()
        try:
            return call()
        except (KombuError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
            self._drop()
            raise BrokerUnavailable(f"Celery's broker did not do it: {_said(error)}") from error

    def _announce(self, hints: Sequence[Hint]) -> int:
        """Returns for how many ids there was no room."""
        held = self._depths({hint.queue for hint in hints})
        producer = Producer(self._connected().default_channel, auto_declare=False)
        refused = 0
        for hint in hints:
            room = max(MAX_MESSAGES - held[hint.queue], 0)
            for task_id in hint.ids[:room]:
                self._send(producer, hint, task_id)
            held[hint.queue] += len(hint.ids[:room])
            refused += len(hint.ids[room:])
        return refused

    def _send(self, producer: Producer, hint: Hint, task_id: TaskId) -> None:
        self._app.send_task(
            RUN,
            args=(str(task_id), hint.queue),
            task_id=f"{task_id}-{token_hex(4)}",  # a revoked one must not come back
            queue=queue_of(hint.queue),
            priority=self._address.priority(hint.priority),
            producer=producer,
            declare=[],  # done, without insisting on how
            confirm_timeout=self._longest,
        )

    def _depths(self, queues: Collection[str]) -> dict[str, int]:
        return {queue: self._declare(queue) for queue in sorted(queues)}

    def _declare(self, name: str) -> int:
        """Make the queue; how many messages wait in it. One that somebody made otherwise is used as it is."""
        queue = queue_of(name)(self._connected().default_channel)
        try:
            queue.exchange.declare()
            queue.queue_declare()
            queue.queue_bind()
        except PreconditionFailed as error:
            self._drop()
            self._declared[name] = f"made otherwise: {_said(error)}"
            return self._count(name, passive=True)
        self._declared[name] = "durable, priorities 0 to 9"
        return self._count(name, passive=not self._address.is_redis)  # an empty list of Redis is none

    def _count(self, name: str, *, passive: bool) -> int:
        _, messages, _ = self._connected().default_channel.queue_declare(queue=name, passive=passive)
        return int(messages)

    def _facts(self) -> BrokerFacts:
        connection = self._connected()
        rules = tuple(f"Celery queue {name}: {rule}" for name, rule in sorted(self._declared.items()))
        if self._address.is_redis:
            told = facts_of(connection.default_channel.client.info())
            version = f"{celery_version} over {told.product} {told.version}"
            return BrokerFacts("celery", version, (*told.warnings, *risks_to_hints(told)), rules)
        connection.ensure_connection(max_retries=1, timeout=self._longest)
        about: Mapping[str, object] = connection.connection.server_properties
        return BrokerFacts("celery", f"{celery_version} over {about.get('product')} {about.get('version')}", (), rules)

    def _listeners(self, seconds: float) -> dict[str, list[str]]:
        answers = self._app.control.inspect(timeout=seconds, connection=self._connected()).active_queues() or {}
        found: dict[str, list[str]] = {}
        for worker, queues in sorted(answers.items()):
            for queue in queues:
                found.setdefault(str(queue["name"]), []).append(str(worker))
        return found

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_write(
                connect_timeout=self._longest, heartbeat=0, transport_options=self._limits()
            )
        return self._connection

    def _limits(self) -> Mapping[str, object]:
        if self._address.is_redis:
            return {"socket_timeout": self._longest, "socket_connect_timeout": self._longest, "max_retries": 0}
        return {"confirm_publish": True, "read_timeout": self._longest, "write_timeout": self._longest}

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
