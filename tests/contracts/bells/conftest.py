"""One suite for every bell: ``bell`` rings, ``far`` is the bell of another process."""

from collections.abc import AsyncIterator

import pytest

from duly.ports.bell import Bell
from tests.contracts.bells.houses import KINDS, bells


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bell, Bell]]:
    async with bells(request.param) as opened, opened() as one, opened() as other:
        yield one, other


@pytest.fixture
def bell(pair: tuple[Bell, Bell]) -> Bell:
    return pair[0]


@pytest.fixture
def far(pair: tuple[Bell, Bell]) -> Bell:
    return pair[1]
