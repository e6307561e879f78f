"""Brokers of the test's own, which may be killed."""

from collections.abc import Iterator

import pytest

from tests.support.servers import RabbitServer, RedisServer, ended


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    with ended(RabbitServer(tmp_path_factory.mktemp("rabbit"))) as server:
        yield server


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with ended(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server
