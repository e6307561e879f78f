"""A service on a memory store that asks who comes, and keys for it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from duly.api.app import create_app
from duly.domain.identity import Scope
from duly.engine.handlers import Handlers
from duly.engine.identity import Access
from duly.engine.identity_jwt import Tokens, Trust
from duly.engine.identity_keys import KeyRing, NewKey, new_key
from duly.engine.limits import Limits
from duly.engine.quotas import Quotas
from duly.engine.service import Service
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing.clock import FakeClock
from tests.support.builders import NOON
from tests.support.serving import client_of, handlers_of, open_service

OWN_SECRET = "o" * 64
SECRET = "s" * 64


class Timer:
    """Seconds that go by when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, length: timedelta) -> None:
        self.seconds += length.total_seconds()


@dataclass
class Guarded:
    """A service that asks, and what is behind it."""

    client: httpx.AsyncClient
    app: FastAPI
    service: Service
    clock: FakeClock
    timer: Timer
    told: list[tuple[str, dict[str, object]]]

    @property
    def document(self) -> dict[str, Any]:
        return self.app.openapi()

    async def key(self, *scopes: Scope, **given: Any) -> str:
        """A new key, whole."""
        return (await self.new_key(*scopes, **given)).text

    async def new_key(self, *scopes: Scope, **given: Any) -> NewKey:
        made = new_key("test", scopes or [Scope.ADMIN], now=self.clock.now(), **given)
        await self.service.store.keys.add(made.key)
        return made

    async def submit(self, **fields: Any) -> str:
        """The id of a new task, submitted by an administrator."""
        body = {"type": "text.reverse", "payload": {"text": "hello"}} | fields
        headers = bearer(await self.key())
        response = await self.client.post("/v1/tasks", json=body, headers=headers)
        assert response.status_code == 202, response.text
        return response.json()["id"]

    async def ask(self, method: str, path: str, credential: str | None = None, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | ({} if credential is None else bearer(credential))
        return await self.client.request(method, path, headers=headers, **more)


def bearer(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}


def access_of(store: MemoryStore, timer: Timer, told: list[Any], trust: Trust | None = None) -> Access:
    trust = trust or Trust(secret=SECRET, issuer="https://issuer", audience="duly-api")
    return Access(
        KeyRing(store.keys, store.clock),
        Tokens(trust, OWN_SECRET, store.clock),
        lifetime=timedelta(minutes=15),
        now=timer,
        emit=lambda name, facts: told.append((name, dict(facts))),
    )


async def reverse(text: str) -> str:
    """Turn a text around."""
    return text[::-1]


@pytest.fixture
def handlers() -> Handlers:
    return handlers_of(text__reverse=reverse)


@pytest.fixture
def open_guarded(handlers: Handlers) -> Callable[..., Any]:
    """``async for`` a Guarded, with quotas, docs or trust of the test's own."""

    async def make(
        quotas: Quotas | None = None, trust: Trust | None = None, timer: Timer | None = None, **how: Any
    ) -> AsyncIterator[Guarded]:
        clock, timer, told = FakeClock(NOON), timer or Timer(), []
        store = MemoryStore(MemoryDatabase(), clock)
        async with open_service(store, handlers, Limits()) as bare:
            service = replace(bare, access=access_of(store, timer, told, trust), quotas=quotas)
            app = create_app(service, allowed_hosts=None, **how)
            async with client_of(app) as client:
                yield Guarded(client, app, service, clock, timer, told)

    return make


@pytest.fixture
async def api(open_guarded: Callable[..., Any]) -> AsyncIterator[Guarded]:
    async for guarded in open_guarded():
        yield guarded
