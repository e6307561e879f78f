"""The real application over the real engine on a store of the test's, without a network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI

from duly.api.app import create_app
from duly.api.door import LOOPBACK
from duly.domain.retry import Retry
from duly.engine.background import in_background
from duly.engine.bell import LocalBell
from duly.engine.handlers import Handlers, TaskType, executor_of
from duly.engine.herald import Herald
from duly.engine.ids import Ids
from duly.engine.landscape import Landscape
from duly.engine.limits import Limits
from duly.engine.meter import Meter
from duly.engine.overview import Overview
from duly.engine.parts import Parts
from duly.engine.reads import Reads
from duly.engine.service import Service
from duly.engine.signature import signature_of
from duly.engine.survey import Count, Survey
from duly.engine.sweep import Sweeper
from duly.engine.tasks import Tasks
from duly.ports.store import Store
from duly.telemetry.tally import PlainTally

R = TypeVar("R")

BASE = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Served:
    """An application, somebody who asks it, and what is behind it."""

    client: httpx.AsyncClient
    app: FastAPI
    service: Service

    @property
    def store(self) -> Store:
        return self.service.store

    async def submit(self, **fields: Any) -> dict[str, Any]:
        body = {"type": "text.reverse", "payload": {"text": "hello"}} | fields
        response = await self.client.post("/v1/tasks", json=body)
        assert response.status_code in (200, 202), response.text
        task: dict[str, Any] = response.json()
        return task


@asynccontextmanager
async def serving(store: Store, handlers: Handlers, **how: Any) -> AsyncIterator[Served]:
    async with open_service(store, handlers, how.pop("limits", Limits())) as service:
        app = create_app(service, allowed_hosts=how.pop("allowed_hosts", LOOPBACK))
        async with client_of(app) as client:
            yield Served(client, app, service)


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)


@asynccontextmanager
async def open_service(store: Store, handlers: Handlers, limits: Limits) -> AsyncIterator[Service]:
    bell, landscape = LocalBell(), Landscape(store)
    herald = Herald(bell, None)
    parts = Parts(
        store=store,
        reads=Reads(store.tasks, None, timedelta(), lambda *_: None),
        bell=bell,
        herald=herald,
        handlers=handlers,
        limits=limits,
        ids=Ids(),
        meter=Meter("process-1"),
        patience=timedelta(milliseconds=50),
        poll_interval=timedelta(milliseconds=20),
    )
    tasks = Tasks(parts, landscape)
    overview, tally = Overview(store, herald, landscape), PlainTally()
    sweeper = Sweeper(store, herald, timedelta(seconds=30), lambda *_: None)
    survey = Survey(Count(parts.meter, sweeper, tally, None, "0.1.0"), overview)
    async with in_background(lambda *_: None, tasks.run()):
        yield Service(tasks, overview, handlers, store, limits, tally=tally, survey=survey)


async def eventually(look: Callable[[], Awaitable[R]]) -> R:
    """What is found as soon as there is something; fails after a minute."""
    async with asyncio.timeout(60):
        while not (found := await look()):  # noqa: ASYNC110  # nothing rings when a store has changed
            await asyncio.sleep(0.005)
    return found


def handlers_of(**functions: Callable[..., Any]) -> Handlers:
    """Handlers by type name, with ``__`` for a dot."""
    handlers = Handlers()
    for name, function in functions.items():
        handlers.add(a_type(name.replace("__", "."), function))
    return handlers


def a_type(name: str, function: Callable[..., Any], **given: Any) -> TaskType:
    defaults: dict[str, Any] = {
        "name": name,
        "function": function,
        "signature": signature_of(function, name),
        "queue": "default",
        "priority": 5,
        "retry": Retry(),
        "timeout": timedelta(minutes=10),
        "executor": executor_of(function, None),
        "description": (function.__doc__ or "").strip(),
    }
    return TaskType(**(defaults | given))
