"""What every test may use."""

import pytest

pytest_plugins = ["tests.support.databases", "tests.support.service", "tests.support.tracing"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
