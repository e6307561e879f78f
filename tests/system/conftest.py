"""Scenes: one API process for each database, shared by all tests; what a test kills or stops it starts itself."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from duly.stores.sql.migrate import migrate
from tests.support.databases import mysql_database, postgres_database, sqlite_database
from tests.system.scene import Scene, a_scene

KINDS = ("sqlite", "postgresql", "mariadb")

Stage = Callable[[str], Scene]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The scene on a database of this kind, made when it is first asked for."""
    scenes: dict[str, Scene] = {}
    with ExitStack() as stack:

        def scene_on(kind: str) -> Scene:
            if kind not in scenes:
                folder = tmp_path_factory.mktemp(kind)
                databases = {"sqlite": lambda: sqlite_database(folder), "postgresql": postgres_database}
                url = stack.enter_context(databases.get(kind, mysql_database)())
                asyncio.run(migrate(url))
                scenes[kind] = stack.enter_context(a_scene(folder, url))
            return scenes[kind]

        yield scene_on


@pytest.fixture(scope="session", params=KINDS)
def scene(request: pytest.FixtureRequest, stage: Stage) -> Scene:
    """The scene on each database in turn."""
    return stage(request.param)


@pytest.fixture(scope="session")
def sqlite_scene(stage: Stage) -> Scene:
    """The scene on SQLite, for what does not depend on the database."""
    return stage("sqlite")
