"""Where the bell contract runs: within a process, and over each wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from uuid import uuid4

from duly.brokers.redis_bell import redis_bell
from duly.engine.bell import LocalBell
from duly.links.ringing import WiredBell
from duly.ports.bell import Bell
from duly.stores.sql.postgres_bell import postgres_bell
from tests.support.databases import postgres_database
from tests.support.servers import missing, shared_redis_url

KINDS = ("local", "postgresql", "redis")

Open = Callable[[], AbstractAsyncContextManager[Bell]]


@asynccontextmanager
async def bells(kind: str) -> AsyncIterator[Open]:
    """Opens bells of this kind that hear each other, as those of several processes do."""
    match kind:
        case "local":
            one = LocalBell()
            yield lambda: nullcontext(one)
        case "postgresql":
            with postgres_database() as url:
                yield lambda: ready(postgres_bell(url, LocalBell(), quiet))
        case _:
            prefix = f"duly_test_{uuid4().hex[:12]}"
            yield lambda: ready(redis_bell(shared_redis_url(), LocalBell(), quiet, prefix=prefix))


@asynccontextmanager
async def ready(opening: AbstractAsyncContextManager[WiredBell]) -> AsyncIterator[WiredBell]:
    """Once it is connected."""
    async with opening as bell:
        if not await comes_back(bell, within=30):
            missing("the bell's server cannot be reached (DULY_TEST_REDIS_URL, DULY_TEST_POSTGRES_URL)")
        yield bell


async def comes_back(bell: WiredBell, within: float) -> bool:
    """Whether it rings out and back, sooner or later."""
    try:
        async with asyncio.timeout(within):
            while not await bell.comes_back(timedelta(milliseconds=200)):
                pass
    except TimeoutError:
        return False
    return True


def quiet(name: str, facts: Mapping[str, object]) -> None:
    pass
