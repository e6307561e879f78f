"""Databases that go away and come back: servers of the tests' own, stopped, killed and started again."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from duly.domain.state import State
from duly.stores.sql.migrate import migrate
from tests.support.database_servers import DatabaseServer, mariadb_server, postgres_server
from tests.support.processes import eventually
from tests.system.load import Load, under_load
from tests.system.scene import PATIENCE, Scene, a_scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with (postgres_server if request.param == "postgresql" else mariadb_server)() as server:
        yield server


@pytest.fixture(scope="module")
def scene(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    asyncio.run(migrate(server.url))
    with a_scene(tmp_path_factory.mktemp("outage"), server.url, DULY_DATABASE_TIMEOUT="5s") as scene:
        yield scene


def more_accepted(load: Load) -> None:
    """Wait until twenty more tasks were accepted."""
    wanted = len(load.accepted) + 20
    eventually(lambda: len(load.accepted) >= wanted, PATIENCE)


def tagged(scene: Scene, tag: str) -> list[str]:
    return [task.id for task in scene.client.list(tag=tag)]


@pytest.mark.mistake(2)
@pytest.mark.mistake(34)
def test_restarts_under_load_lose_nothing_that_was_accepted(scene: Scene, server: DatabaseServer):
    """Stopped in good order, killed in the midst of commits, all its connections broken, away for long."""
    disturbances = (server.restart, partial(server.restart, at_once=True), server.break_connections)
    with scene.worker() as worker:
        with under_load(scene.url) as load:
            for disturb in disturbances:
                more_accepted(load)
                disturb()
            more_accepted(load)
            server.restart(at_once=True, away=7)
            more_accepted(load)
        ended = scene.final(*load.accepted.values())
        code = worker.stop()

    assert load.strange == []
    assert {task.state for task in ended} == {State.COMPLETED}
    assert all(scene.effects.words(task.id).count("end") >= 1 for task in ended)
    assert load.refused  # seven seconds are longer than a submit's patience
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in load.refused.values())
    assert all(len(tagged(scene, tag)) <= 1 for tag in load.refused)
    assert all(tagged(scene, tag) == [id_] for tag, id_ in load.accepted.items())
    assert code == 0


@pytest.mark.mistake(10)
@pytest.mark.mistake(31)
def test_an_outage_longer_than_the_lease_charges_nobody_and_keeps_what_handlers_did(
    scene: Scene, server: DatabaseServer
):
    during, after = scene.gate(), scene.gate()
    with scene.worker():
        ending = [scene.one(f"hold.{kind}", gate=str(during)) for kind in ("async", "thread", "process")]
        going_on = [scene.one(f"hold.{kind}", gate=str(after)) for kind in ("async", "thread", "process")]
        for task in (*ending, *going_on):
            scene.effects.pid(task)
        server.stop()
        away = httpx.get(f"{scene.url}/v1/tasks/{ending[0]}", timeout=60)
        during.touch()
        eventually(lambda: all("end" in scene.effects.words(task) for task in ending), PATIENCE)
        time.sleep(5)  # the outage lasts longer than two leases
        server.start()
        settled = scene.final(*ending)
        time.sleep(5)  # and every sweeper has had the time to judge
        after.touch()
        rest = scene.final(*going_on)

    assert away.status_code == 503
    assert int(away.headers["Retry-After"]) >= 1
    assert away.json()["code"] == "store-unavailable"
    assert [(task.state, task.attempt) for task in (*settled, *rest)] == [(State.COMPLETED, 1)] * 6
    assert all(scene.story(task)["lease_lost"] == 0 for task in (*ending, *going_on))
    assert all(scene.effects.words(task) == ["start", "end"] for task in (*ending, *going_on))
