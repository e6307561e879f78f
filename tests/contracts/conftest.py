"""One suite for every store: ``store`` is each of them in turn, ``open_store`` opens further ones on its database."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from duly.ports.store import Store
from duly.testing.clock import FakeClock
from tests.contracts.places import KINDS, Place, place
from tests.support.builders import NOON


@pytest.fixture(scope="session", params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
async def open_store(home: Place, clock: FakeClock) -> AsyncIterator[Callable[[], Awaitable[Store]]]:
    home.empty()
    opened: list[Store] = []

    async def open_one() -> Store:
        opened.append(await home.open(clock))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def store(open_store: Callable[[], Awaitable[Store]]) -> Store:
    return await open_store()
