"""One suite for every broker: ``house`` is where each can be opened, ``broker`` is one that is open."""

from collections.abc import AsyncIterator

import pytest

from duly.domain.errors import BrokerUnavailable
from duly.ports.broker import Broker
from tests.contracts.brokers.houses import KINDS, WIRED, House, house
from tests.support.servers import missing


@pytest.fixture(params=KINDS)
async def home(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async for made in _ready(request.param):
        yield made


@pytest.fixture(params=WIRED)
async def wired_home(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Those into which others can write too."""
    async for made in _ready(request.param):
        yield made


@pytest.fixture
async def broker(home: House) -> AsyncIterator[Broker]:
    async with home.open() as opened:
        yield opened


async def _ready(kind: str) -> AsyncIterator[House]:
    made = house(kind)
    try:
        async with made.open() as broker:
            await broker.facts()
    except BrokerUnavailable as error:
        missing(f"{kind} cannot be reached (set DULY_TEST_REDIS_URL, DULY_TEST_RABBITMQ_URL): {error}")
    yield made
    await made.clean()
