"""The application on a memory store whose clock stands still."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from duly.engine.handlers import Handlers
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing.clock import FakeClock
from tests.support.builders import NOON
from tests.support.serving import Served, handlers_of, serving


class Reversed(BaseModel):
    text: str


def reverse(text: str, times: int = 1) -> Reversed:
    """Turn a text around."""
    return Reversed(text=text[::-1] * times)


async def anything(value: Any = None) -> Any:
    return value


@pytest.fixture
def handlers() -> Handlers:
    return handlers_of(text__reverse=reverse, anything=anything)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(MemoryDatabase(), clock)


@pytest.fixture
async def api(store: MemoryStore, handlers: Handlers) -> AsyncIterator[Served]:
    async with serving(store, handlers) as served:
        yield served
