"""A real streaming replica: lists come from it, and from the database whenever it is away or too late."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from duly.domain.query import TaskQuery
from duly.domain.task import TaskId
from duly.engine.lists import Lists
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.store import SqlStore
from tests.support.builders import a_task
from tests.support.database_servers import DatabaseServer, postgres_replica, postgres_server
from tests.support.processes import eventually
from tests.support.telling import Told
from tests.system.scene import PATIENCE, a_scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server() -> Iterator[DatabaseServer]:
    with postgres_server() as server:
        asyncio.run(migrate(server.url))
        yield server


@pytest.fixture(scope="module")
def replica(server: DatabaseServer) -> Iterator[DatabaseServer]:
    with postgres_replica(server) as replica:
        yield replica


@asynccontextmanager
async def some_lists(
    server: DatabaseServer, replica: DatabaseServer, longest_behind: timedelta
) -> AsyncIterator[tuple[SqlStore, Lists, Told]]:
    told, database = Told(), await open_sql_store(server.url)
    lists = Lists(database, lambda: open_sql_store(replica.url), told, longest_behind)
    try:
        yield database, lists, told
    finally:
        await lists.close()
        await database.close()


def replay(replica: DatabaseServer, what: str) -> None:
    """Have the replica ``pause`` or ``resume`` taking over what the database wrote."""
    with psycopg.connect(replica.url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_wal_replay_{what}()")  # type: ignore[arg-type]  # two words of ours


async def listed(lists: Lists) -> set[TaskId]:
    return {task.id for task in (await lists.page(TaskQuery(limit=200))).tasks}


async def until_used(lists: Lists) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await lists.step():  # noqa: ASYNC110  # a replica tells nobody what has arrived
            await asyncio.sleep(0.02)


async def test_lists_come_from_the_replica_until_it_is_too_late(server: DatabaseServer, replica: DatabaseServer):
    async with some_lists(server, replica, timedelta(seconds=2)) as (database, lists, told):
        await database.tasks.add([a_task(created_at=database.clock.now())])
        await until_used(lists)
        try:
            await asyncio.to_thread(replay, replica, "pause")
            await database.tasks.add([second := a_task(created_at=database.clock.now())])
            from_the_replica = await listed(lists)
            async with asyncio.timeout(PATIENCE):
                while await lists.step():  # noqa: ASYNC110  # time must pass until it is late
                    await asyncio.sleep(0.1)
            from_the_database = await listed(lists)
        finally:
            await asyncio.to_thread(replay, replica, "resume")
        await until_used(lists)

    assert second.id not in from_the_replica
    assert second.id in from_the_database
    assert len(told.of("replica.used")) == 2


def test_a_service_lists_from_its_replica_and_goes_on_without_it(
    server: DatabaseServer, replica: DatabaseServer, tmp_path: Path
):
    with a_scene(tmp_path, server.url, DULY_DATABASE_REPLICA_URL=replica.url) as scene:
        log = next(tmp_path.glob("api-*.log"))
        eventually(lambda: "replica.used" in log.read_text(), PATIENCE)
        replay(replica, "pause")
        unseen = scene.one("quick")
        with_it = {task.id for task in scene.client.list(queue="default")}
        replica.stop()
        without_it = {task.id for task in scene.client.list(queue="default")}
        alone = scene.place.run("doctor")
        replica.start()
        eventually(lambda: log.read_text().count("replica.used") == 2, PATIENCE)
        eventually(lambda: unseen in {task.id for task in scene.client.list(queue="default")}, PATIENCE)
        together = scene.place.run("doctor")

    assert unseen not in with_it
    assert unseen in without_it
    assert log.read_text().count("replica.unavailable") == 1
    assert "replica" in alone.stdout
    assert "cannot be used" in alone.stdout
    assert "has what the database has" in together.stdout
