"""A broker that is away: nobody who submits notices, and what was submitted is found."""

import asyncio
from collections.abc import Iterator

import pytest

from duly.domain.state import State
from duly.stores.sql.migrate import migrate
from tests.support.databases import postgres_database
from tests.support.processes import eventually
from tests.support.servers import RabbitServer, RedisServer, ended
from tests.system.scene import PATIENCE, Scene, a_scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

Server = RabbitServer | RedisServer


@pytest.fixture(scope="module", params=[RabbitServer, RedisServer])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ended(request.param(tmp_path_factory.mktemp("broker"))) as server:
        yield server


@pytest.fixture(scope="module")
def scene(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Whoever claims or announces does so through this broker, or has to find out by looking."""
    with postgres_database() as url:
        asyncio.run(migrate(url))
        with a_scene(tmp_path_factory.mktemp("away"), url, DULY_BROKER_URL=server.url) as scene:
            yield scene


@pytest.mark.mistake(1)
@pytest.mark.mistake(34)
@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_submits_are_accepted_and_run_while_the_broker_is_away(scene: Scene, server: Server, how: str):
    leave, come_back = (server.kill, server.start) if how == "stopped" else (server.freeze, server.thaw)
    with scene.worker() as worker:
        scene.final(scene.one("quick"))
        leave()
        try:
            tasks = scene.submit("quick", count=40)
            ended_meanwhile = scene.final(*tasks)
            eventually(lambda: worker.said("broker.unavailable"), PATIENCE)
        finally:
            come_back()
        (after,) = scene.final(scene.one("quick"))

    assert {task.state for task in ended_meanwhile} == {State.COMPLETED}
    assert all(scene.effects.words(task) == ["start", "end"] for task in tasks)
    assert after.state is State.COMPLETED
