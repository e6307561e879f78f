"""What every test may use."""

import pytest

pytest_plugins = ["tests.support.databases", "tests.support.service", "tests.support.tracing"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start real processes come first: at the end one long file would keep all others waiting."""
    starting = {item.path for item in items if item.get_closest_marker("system")}
    items.sort(key=lambda item: item.path not in starting)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
