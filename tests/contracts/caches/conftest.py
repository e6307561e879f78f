"""One suite for every cache: ``cache`` and ``other`` are two clients of the same one."""

from collections.abc import AsyncIterator

import pytest

from duly.domain.errors import CacheUnavailable
from duly.ports.cache import Cache
from duly.testing.clock import FakeClock
from tests.contracts.caches.houses import KINDS, two_of
from tests.support.builders import NOON
from tests.support.servers import missing


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture(params=KINDS)
async def caches(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[tuple[Cache, Cache]]:
    async with two_of(request.param, clock) as both:
        try:
            await both[0].check()
        except CacheUnavailable as error:
            missing(f"Redis cannot be reached (set DULY_TEST_REDIS_URL): {error}")
        yield both


@pytest.fixture
def cache(caches: tuple[Cache, Cache]) -> Cache:
    return caches[0]


@pytest.fixture
def other(caches: tuple[Cache, Cache]) -> Cache:
    return caches[1]
