"""What every test may use."""

import gc

import pytest

pytest_plugins = ["tests.support.databases", "tests.support.service", "tests.support.tracing"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start real processes come first: at the end one long file would keep all others waiting."""
    starting = {item.path for item in items if item.get_closest_marker("system")}
    items.sort(key=lambda item: item.path not in starting)


def pytest_collection_finish() -> None:
    """Thousands of tests and all that they import stay to the end: nobody has to look for garbage among them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
