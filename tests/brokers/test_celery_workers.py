"""Real Celery workers: whatever pool and broker they have, status, retries, cancels and recovery are Duly's."""

from collections.abc import Iterator

import pytest

from tests.brokers.fleet import Fleet, a_fleet
from tests.support.servers import RabbitServer, RedisServer, ended

PREFORK = ("-P", "prefork", "-c", "2")
THREADS = ("-P", "threads", "-c", "2")
SOLO = ("-P", "solo")


@pytest.fixture(scope="module")
def on_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with ended(server), a_fleet(tmp_path_factory.mktemp("fleet"), f"celery+{server.url}") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def on_rabbitmq(tmp_path_factory: pytest.TempPathFactory, rabbit: RabbitServer) -> Iterator[Fleet]:
    with a_fleet(tmp_path_factory.mktemp("fleet"), f"celery+{rabbit.url}") as fleet:
        yield fleet


@pytest.fixture(params=["on_redis", "on_rabbitmq"])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("pool", [PREFORK, THREADS, SOLO], ids=["prefork", "threads", "solo"])
def test_a_task_runs_in_a_celery_worker_and_duly_tells_its_result(on_redis, pool):
    scene = on_redis.scene
    with on_redis.worker(*pool) as worker:
        tasks = [scene.one("quick", number=7), *(scene.one(f"hold.{kind}", gate="/") for kind in ("async", "thread"))]
        done = scene.final(*tasks)

        assert [task.result for task in done] == [7, "through", "through"]
        assert {task.attempt for task in done} == {1}
        own = [worker.pid] if pool is not PREFORK else worker.children()
        assert {effect.pid for task in tasks for effect in scene.effects.of(task)} <= set(own)
