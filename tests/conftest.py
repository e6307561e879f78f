"""What every test may use."""

import pytest

pytest_plugins = ["tests.support.databases", "tests.support.service", "tests.support.tracing"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that start real processes come first: the longest of them must not begin when all others have ended."""
    items.sort(key=lambda item: item.get_closest_marker("system") is None)
